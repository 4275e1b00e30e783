"""The whole system in one thread: five services, a broker, a clock, and everything that goes wrong, one step after the
other.

What runs is the services' own code: `app.py`'s tables, handlers, domains and SQL, the chassis's consumer, positions,
parking, dead letters, outbox and relay. In memory, or under the hand of the world, are only the edges: Kafka (`broker.py`),
the clock's hands (`postgres.py`), chance (one `Random`), and whoever is outside: citizens, agencies, officers, recipients
of notices.

A step is a name and whole numbers, so a story of steps can be told again word by word: `World.tell`. Steps never run beside
each other; what a scheduler would interleave is drawn by whoever writes the story.
"""

import asyncio
import base64
import functools
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from tests.deterministic import home
from tests.deterministic.broker import Broker, Producer, Reader, Subscription
from tests.deterministic.edges import Crash, Edge, Pool
from tests.deterministic.postgres import SERVICES, Server

from amanah_casework.app import SERVICE as CASEWORK
from amanah_chassis import dead_letter, logs, outbox
from amanah_chassis import service as services
from amanah_chassis.chassis import Chassis
from amanah_chassis.clock import Clock
from amanah_chassis.consumer import Consumer
from amanah_chassis.errors import ReplayFailed
from amanah_chassis.problems import Problem
from amanah_chassis.relay import FAULTS, Relay, partition
from amanah_chassis.service import Service
from amanah_contracts import agency as orders
from amanah_intake import filing, vaultroom
from amanah_intake.app import SERVICE as INTAKE
from amanah_intake.domain import tracking
from amanah_intake.domain.form import Form
from amanah_notifier import delivery
from amanah_notifier.app import SERVICE as NOTIFIER
from amanah_notifier.contact import Contact, Unavailable
from amanah_notifier.domain import Channel
from amanah_notifier.schedule import Accepted, TryAgain
from amanah_routing import handlers as routing
from amanah_routing import store as routing_store
from amanah_routing.app import SERVICE as ROUTING
from amanah_sla_monitor import app as monitor_app
from amanah_sla_monitor import recalculate, ticker
from amanah_sla_monitor.app import SERVICE as SLA_MONITOR
from amanah_sla_monitor.pack import load_law
from amanah_sla_monitor.reconciler import law as laws
from amanah_sla_monitor.reconciler import watch

TABLES: dict[str, Service[Any]] = {s.name: s for s in (INTAKE, ROUTING, CASEWORK, SLA_MONITOR, NOTIFIER)}
VERBS = (
    "acknowledge", "reply", "resolve", "decline", "request_information", "receive_information", "extend", "withdraw",
)  # fmt: skip
NAMES = UUID(int=0)
_TURN = timedelta(milliseconds=50)
"""What passes with every step, so that instants differ."""
_OWN_TOPICS = ("complaints", "assignments", "cases", "deadlines", "notices")
PARTITIONS = {f"amanah.{name}": 3 for name in _OWN_TOPICS} | {"amanah.ombudsman": 1}
for _code in home.AGENCIES:
    PARTITIONS |= {f"amanah.agency.{_code}": 1, f"amanah.agency.{_code}.replies": 2}

Step = tuple[str, tuple[int, ...]]
Story = list[Step]


@dataclass
class Filed:
    """One Idempotency-Key and what came of it, as the citizen saw it."""

    form: Form
    trusted: bool
    key: str
    answers: list[bytes] = field(default_factory=list)
    unknown: int = 0
    """Times that the connection broke before an answer."""

    @property
    def complaint(self) -> UUID | None:
        return UUID(json.loads(self.answers[0])["complaint_id"]) if self.answers else None


@dataclass(frozen=True)
class Sent:
    """A notice as its recipient got it."""

    notice: UUID
    complaint: UUID
    recipient: str
    address: str


@dataclass(frozen=True)
class Canary:
    """A personal datum, and by whom it was given."""

    text: str
    of_agency: bool


# -- one service ---------------------------------------------------------------------------------------------------------


class MemoryRelay(Relay):
    """The relay, but for its socket to Kafka."""

    def __init__(self, broker: Broker, source: str) -> None:
        super().__init__("", "", source)
        self._broker = broker
        self.lose: str | None = None

    async def _ready_producer(self) -> Any:
        if self._producer is None:
            self._producer = Producer(self._broker)
        self._producer.lose, self.lose = self.lose or self._producer.lose, None
        return self._producer


class _Stop:
    """`crash` of the chassis says by it that the process must end: it does."""

    def done(self) -> bool:
        return False

    def set_exception(self, error: BaseException) -> None:
        raise error


class Process:
    """One service while it lives. Its database and what the broker committed outlive it."""

    def __init__(self, world: "World", name: str, edge: Edge, lines: str = "") -> None:
        self.name = name
        self.edge = edge
        self.service = TABLES[name]
        settings = world.settings[name]
        self.pool = Pool(world.lines[lines or name], edge)
        self.relay = MemoryRelay(world.broker, f"amanah.{name}")
        self.chassis = Chassis(settings, self.pool, Clock(self.pool, settings.database, None), self.relay)  # type: ignore[arg-type]
        self.context: Any = None
        self.consumer: Consumer
        self.subscriptions: list[Subscription] = []
        self.worker: delivery.Worker

    async def start(self, world: "World") -> None:
        self.context = await self.service.make_context(self.chassis)
        self.consumer = Consumer(self.chassis, self.context, self.service.registry, self.service.handlers())
        reader = Reader(world.broker, self.edge.step)
        services._subscribe(self.service, self.chassis.settings, self.consumer, reader, _Stop())  # type: ignore[arg-type]
        self.subscriptions = reader.subscriptions
        if self.name == "notifier":
            senders: dict[Channel, delivery.Sender] = {Channel.WEBHOOK: world, Channel.EMAIL: world}
            contacts: Any = world
            self.worker = delivery.Worker(
                self.chassis, self.chassis.settings, self.context.catalogue, senders, contacts
            )
            await self.worker._release()

    async def send(self) -> int:
        """What the relay does when it is woken, and every second. Answers how many rows it found."""
        found, line = 0, self.pool.lend()
        try:
            while rows := await self.relay._send_batch(line):  # type: ignore[arg-type]
                found += rows
        except FAULTS:
            await self.relay._drop_producer()
        finally:
            await self.pool.release(line)
        return found


# -- all of them ---------------------------------------------------------------------------------------------------------


class World:
    """Everything there is, from an empty database on."""

    def __init__(
        self, server: Server, lines: dict[str, list[asyncpg.Connection]], editions: Sequence[Path], folder: Path
    ) -> None:
        self.server = server
        self.lines = lines
        self._editions = editions
        self.pack = folder / "pack"
        self.settings = {name: _settings(name, server.dsn(name), self.pack, folder) for name in SERVICES}
        self.logs = _Logs()

    # -- telling a story -------------------------------------------------------------------------------------------------

    async def begin(self, seed: int = 0) -> None:
        """Anew, in an empty home under the first edition of its law."""
        self.story: Story = []
        self.chance = Random(seed)
        _take_chance_from(self.chance)
        self.now = home.START
        self.broker = Broker(PARTITIONS, self.now)
        self.filed: list[Filed] = []
        self.canaries: list[Canary] = []
        self.given: list[tuple[str, bytes, list[tuple[str, bytes]], bytes]] = []
        """Orders as their agencies gave them: topic, key, headers, body."""
        self.poison: set[tuple[str, int, int]] = set()
        self.sent: list[Sent] = []
        self.edition = 0
        self.law_unfinished = False
        self.patient = True  # recipients accept whatever comes
        self.logs.lines.clear()
        self._use(0)
        await self.server.empty()
        await self.server.set_clock(self.now)
        self.processes = {name: Process(self, name, Edge()) for name in SERVICES}
        self.clerk = Process(self, "sla_monitor", Edge(), "clerk")
        for process in self.processes.values():
            await process.start(self)

    async def do(self, name: str, *numbers: int) -> None:
        """One step. Raises TimeoutError when it never comes to an end."""
        self.story.append((name, numbers))
        await self.pass_time(_TURN)
        async with asyncio.timeout(60):
            await getattr(self, f"on_{name}")(*numbers)

    async def tell(self, story: Story) -> None:
        for name, numbers in story:
            await self.do(name, *numbers)

    async def pass_time(self, span: timedelta) -> None:
        self.now += span
        self.broker.now = self.now
        await self.server.set_clock(self.now)

    async def _at(self, name: str, work: Callable[[Process], Awaitable[Any]]) -> Any:
        """Work of one process; when it dies over it, it is started anew, as a supervisor would."""
        process = self.processes[name]
        try:
            return await work(process)
        except Crash:
            await self.restart(name)
            return None

    async def restart(self, name: str) -> None:
        """A new process of the service: nothing is left of what it had in memory, its bugs apart."""
        edge = self.processes[name].edge
        edge.put_out()
        self.processes[name] = Process(self, name, edge)
        await self.processes[name].start(self)

    # -- citizens --------------------------------------------------------------------------------------------------------

    async def on_submit(self, kind: int) -> None:
        """A new complaint, of one of several kinds."""
        number = len(self.filed)
        form, trusted = self._form(kind, number)
        self.filed.append(Filed(form, trusted, f"key-{number}"))
        await self._file(self.filed[-1])

    async def on_retry(self, which: int) -> None:
        """The same complaint with the same key: the citizen is not sure that it arrived."""
        if self.filed:
            await self._file(self.filed[which % len(self.filed)])

    async def on_reuse(self, which: int) -> None:
        """Another complaint under a key that was used, which must be refused."""
        answered = [filed for filed in self.filed if filed.answers]
        if not answered:
            return
        before = answered[which % len(answered)]
        other = before.form.model_copy(update={"narrative": f"{before.form.narrative} And more."})
        await self._file(Filed(other, before.trusted, before.key))

    async def _file(self, filed: Filed) -> None:
        async def work(intake: Process) -> None:
            caller = filing.Caller(filed.trusted, filed.key)
            with suppress(Problem):
                answer = await filing.file(intake.context, intake.chassis, filed.form, caller, None)
                filed.answers.append(answer.body)
                return
            filed.answers.append(b"refused") if filed in self.filed else None

        before = len(filed.answers)
        await self._at("intake", work)
        if len(filed.answers) == before and filed in self.filed:
            filed.unknown += 1

    def _form(self, kind: int, number: int) -> tuple[Form, bool]:
        """Six kinds: open, anonymous, of a whistle-blower, on paper and late, for triage, imported with a promise."""
        name, phone = f"Citizen Canary{number:04}", f"+62 812 5550 {number:04}"
        email, nik = f"canary{number:04}@sink.invalid", f"637101{1 + number % 28:02}0190{number:04}"
        told = f"Lamp {number} is out. Call {phone} or write to {email}, NIK {nik}."
        self.canaries += [Canary(text, False) for text in (name, phone, email, nik)]
        identity = {"name": name, "phone": phone, "email": email, "nik": nik}
        category = tuple(home.CATEGORIES)[number % len(home.CATEGORIES)]
        open_form: dict[str, Any] = {"category": category, "narrative": told, "identity": identity, "language": "en"}
        ago = self.now - timedelta(hours=(1, 7, 30, 120)[number % 4])
        match kind % 6:
            case 0:
                return Form(**open_form), False
            case 1:
                return Form(category=category, narrative=told, visibility="anonymous"), False
            case 2:
                secret = f"whistle-canary{number:04}"
                self.canaries.append(Canary(secret, False))
                return Form(category=category, narrative=f"{secret} {told}", visibility="whistle_blower"), False
            case 3:
                return Form(**open_form, channel="counter", occurred_at=ago), True
            case 4:
                return Form(**open_form | {"category": home.UNROUTED}), False
            case _:
                return Form(**open_form | {"identity": None}, channel="import", source_ref=f"S-{number}"), True

    # -- agencies and officers -------------------------------------------------------------------------------------------

    async def on_order(self, which: int, verb: int, dice: int) -> None:
        """An agency writes to its own topic: mostly the holder, about what it holds."""
        complaint = self._complaint(which)
        if complaint is None:
            return
        chance = Random(dice)
        agency = self._holder(complaint)
        if agency is None or chance.random() < 0.1:
            agency = chance.choice(home.AGENCIES)
        number = len(self.given)
        order = self._order(VERBS[verb % len(VERBS)], complaint, agency, chance, number)
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(_name("order", number)).encode()),
            ("ce_type", order.type().encode()),
        ]
        key = str(complaint).encode()
        body = order.model_dump_json(exclude_none=True).encode()
        self.given.append((f"amanah.agency.{agency}.replies", key, headers, body))
        self._write(*self.given[-1])

    async def on_order_again(self, which: int) -> None:
        """The agency's own sender was not sure either."""
        if self.given:
            self._write(*self.given[which % len(self.given)])

    async def on_poison(self, dice: int) -> None:
        """Bytes that no contract knows, on a topic where outsiders may write."""
        topic = f"amanah.agency.{home.AGENCIES[dice % len(home.AGENCIES)]}.replies"
        headers = [("ce_type", b"case.reply.v1")] if dice % 2 else [("ce_type", b"\xff")]
        number = dice % 2
        self.poison.add((topic, number, len(self.broker.log[topic, number])))
        self.broker.append(topic, number, b"?", headers, b"{")

    async def on_triage(self, which: int, dice: int) -> None:
        """A person in triage decides."""
        complaint = self._complaint(which)
        if complaint is None:
            return

        async def work(process: Process) -> None:
            async with process.chassis.transaction() as tx:
                known = (await routing_store.load(tx.db, [complaint])).get(complaint)
                if known is not None and known.state == "triage":
                    agency = home.AGENCIES[dice % len(home.AGENCIES)]
                    await routing.assign_by_person(tx, known, agency, "A person decided.", None)

        with suppress(asyncpg.DataError):  # the bug of a curse: the person gets a 500
            await self._at("routing", work)

    def _order(self, verb: str, complaint: UUID, agency: str, chance: Random, number: int) -> Any:
        canary = f"agent{number:04}@sink.invalid"
        self.canaries.append(Canary(canary, True))
        claimed = chance.choice((None, None, None, self.now - timedelta(minutes=chance.randrange(90))))
        said: dict[str, Any] = {"complaint_id": complaint, "occurred_at": claimed}
        match verb:
            case "acknowledge":
                return orders.AcknowledgeCase(**said)
            case "reply":
                return orders.ReplyToCase(**said, reply=f"It is being done. Ask {canary}.")
            case "resolve":
                return orders.ResolveCase(**said, outcome="It is done.")
            case "decline":
                proposed = chance.choice((None, "water", "roads", "lonely", "board", "nobody-knows"))
                return orders.DeclineCase(**said, reason="Not ours.", proposed_agency=proposed)
            case "request_information":
                return orders.RequestInformationOnCase(**said, question="Which lamp?")
            case "receive_information":
                return orders.ReceiveInformationOnCase(**said)
            case "extend":
                return orders.ExtendCase(**said, reason="It is far.")
        mine = [given for given in self.given if given[0] == f"amanah.agency.{agency}.replies"]
        about = [dict(headers)["ce_id"].decode() for _, key, headers, _ in mine if key == str(complaint).encode()]
        return orders.WithdrawActionOnCase(**said, order_id=about[-1] if about else "none", reason="In error.")

    def _write(self, topic: str, key: bytes, headers: list[tuple[str, bytes]], body: bytes) -> None:
        self.broker.append(topic, partition(key, self.broker.partitions(topic)), key, headers, body)

    def _complaint(self, which: int) -> UUID | None:
        known = [filed.complaint for filed in self.filed if filed.answers and filed.answers[0] != b"refused"]
        return known[which % len(known)] if known else None

    def _holder(self, complaint: UUID) -> str | None:
        """As an agency sees it on its own topic."""
        key = str(complaint).encode()
        routed = [
            json.loads(record.value or b"")
            for record in self.broker.records("amanah.assignments")
            if record.key == key and dict(record.headers)["ce_type"] == b"complaint.routed.v1"
        ]
        return max(routed, key=lambda event: event["assignment"])["agency"] if routed else None

    # -- the services at work --------------------------------------------------------------------------------------------

    async def on_relay(self, who: int, lose: int) -> None:
        """The relay wakes. `lose` 1: Kafka takes nothing of its next batch; 2: it takes it, and the answer is lost."""
        process = self.processes[SERVICES[who % len(SERVICES)]]
        process.relay.lose = {1: "before", 2: "after"}.get(lose)
        await self._at(process.name, lambda it: it.send())

    async def on_deliver(self, who: int, dice: int) -> None:
        """One poll: some partitions in any order, of each some records in theirs."""
        await self._at(SERVICES[who % len(SERVICES)], lambda process: _poll(process, Random(dice), 6))

    async def on_tick(self, limit: int) -> None:
        most = 1 + limit % 8

        async def work(monitor: Process) -> None:
            while await ticker.tick(monitor.chassis, most) >= most:
                pass

        await self._at("sla_monitor", work)

    async def on_sweep(self, who: int) -> None:
        await self._at(SERVICES[who % len(SERVICES)], lambda process: process.consumer.sweep())

    async def on_notices(self, dice: int) -> None:
        """The delivery worker claims, tries and records."""
        self.patient = dice % 4 != 0
        await self._at("notifier", _deliver_notices)
        self.patient = True

    # -- what goes wrong -------------------------------------------------------------------------------------------------

    async def on_kill(self, who: int) -> None:
        """Between two steps of its own."""
        await self.restart(SERVICES[who % len(SERVICES)])

    async def on_fuse(self, who: int, steps: int) -> None:
        """The service will die within its next work: before that statement, at COMMIT, after it, before the offsets, between
        sending and marking; whatever comes to be its n-th step."""
        self.processes[SERVICES[who % len(SERVICES)]].edge.light(steps % 24)

    async def on_rewind(self, who: int) -> None:
        """The group's offsets are set to the beginning: all is delivered again."""
        for subscription in self.processes[SERVICES[who % len(SERVICES)]].subscriptions:
            subscription.rewind()

    async def on_rebalance(self, who: int) -> None:
        """The partitions come back with what was not committed."""
        for subscription in self.processes[SERVICES[who % len(SERVICES)]].subscriptions:
            subscription.begin_anew()

    async def on_curse(self, who: int, which: int) -> None:
        """A bug: every handler of this service fails on this complaint, until it is mended."""
        complaint = self._complaint(which)
        if complaint is not None:
            self.processes[SERVICES[who % len(SERVICES)]].edge.cursed.add(complaint)

    async def on_mend(self) -> None:
        """The bug is mended and the dead letters are replayed."""
        for name in SERVICES:
            self.processes[name].edge.cursed.clear()
            await self._at(name, self._replay)

    async def _replay(self, process: Process) -> int:
        """`amanah dlq replay`: answers how many were revived."""
        revived = 0
        async with process.pool.acquire() as db:
            letters = await dead_letter.waiting(db)  # type: ignore[arg-type]
        for letter in letters:
            with suppress(ReplayFailed):
                await process.consumer.replay(letter)
                revived += 1
        return revived

    # -- time and law ----------------------------------------------------------------------------------------------------

    async def on_advance(self, minutes: int) -> None:
        await self.pass_time(timedelta(minutes=minutes))

    async def on_next_deadline(self, off: int) -> None:
        """To the next instant at which a clock wants to be looked at; or a moment or a while before, or a moment after."""
        [row] = await self.server.rows("select min(next_fire_at) from sla_monitor.deadline")
        if row[0] is not None:
            instant = row[0] + timedelta(milliseconds=(0, -1, 1, -20 * 60_000)[off % 4])
            await self.pass_time(max(instant - self.now, timedelta()))

    async def on_law(self, fuse: int) -> None:
        """The next edition comes into force and the clocks that run are told; whoever does it may die over it."""
        if self.law_unfinished or self.edition + 1 < len(self._editions):
            if not self.law_unfinished:
                self.edition += 1
                self._use(self.edition)
            if fuse:
                self.clerk.edge.light(fuse)
            await self._apply_law()

    async def _apply_law(self) -> None:
        self.law_unfinished = True
        with suppress(Crash):
            async for _ in recalculate.apply(self.clerk.chassis, load_law(self.pack)):
                pass
            self.law_unfinished = False
        self.clerk.edge.put_out()

    def _use(self, edition: int) -> None:
        """A pack is a folder whose files change; here, a link to another folder."""
        half = self.pack.with_name("pack.half")
        half.unlink(missing_ok=True)
        half.symlink_to(self._editions[edition])
        os.replace(half, self.pack)

    # -- outside ---------------------------------------------------------------------------------------------------------

    async def send(self, notice: Any, address: str, at: datetime, language: str | None) -> Any:
        """Stands for all recipients of notices."""
        if not self.patient:
            return TryAgain("http 500")
        self.sent.append(Sent(notice.id, notice.complaint_id, notice.recipient, address))
        return Accepted()

    async def of(self, complaint_id: UUID) -> Contact | None:
        """Intake's internal door, without HTTP."""
        intake = self.processes["intake"]
        try:
            found = await vaultroom.contact(intake.context, intake.chassis, complaint_id, "notifier", "notice")
        except Crash:
            await self.restart("intake")
            raise Unavailable("reset") from None
        return Contact(found["email"], found["language"]) if found else None

    # -- rest ------------------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Nothing goes wrong any more, and everything runs until nothing moves: then all promises must hold."""
        for process in self.processes.values():
            process.edge.put_out()
            process.edge.cursed.clear()
        if self.law_unfinished:
            await self._apply_law()
        async with asyncio.timeout(120):
            for wait in (timedelta(), timedelta(seconds=6), timedelta(minutes=11)):
                if wait and not await self._parked():
                    break
                await self.pass_time(wait)
                while await self._turn():
                    pass
            for _ in range(2):  # each look recounts up to where time stood at the one before
                await self.pass_time(_TURN)
                await watch.look(self.processes["sla_monitor"].chassis)
            while await self._turn():
                pass

    async def _turn(self) -> bool:
        """Each at its work once; answers whether anything moved."""
        moved = 0
        for process in self.processes.values():
            moved += await process.send()
            while any(subscription.lag() for subscription in process.subscriptions):
                moved += await _poll(process, self.chance, 500)
        monitor = self.processes["sla_monitor"]
        moved += await ticker.tick(monitor.chassis, 500)
        if not moved:
            before = await self._parked()
            for process in self.processes.values():
                moved += await self._replay(process)
                await process.consumer.sweep()
            moved += await _deliver_notices(self.processes["notifier"])
            moved += before != await self._parked()
        return bool(moved)

    async def _parked(self) -> int:
        counts = " + ".join(f"(select count(*) from {name}.chassis_parked)" for name in SERVICES)
        [row] = await self.server.rows(f"select {counts}")
        return int(row[0])


async def _poll(process: Process, chance: Random, most: int) -> int:
    behind = [subscription for subscription in process.subscriptions if subscription.lag()]
    if not behind:
        return 0
    subscription = chance.choice(behind)
    lag = subscription.lag()
    places = list(lag)
    chance.shuffle(places)
    records = []
    for place in places[: chance.randint(1, len(places))]:
        records += subscription.take(place, chance.randint(1, min(lag[place], most)))
    await subscription.hand_over(tuple(records))
    return len(records)


async def _deliver_notices(notifier: Process) -> int:
    worker = notifier.worker
    claimed = await worker._claim()
    for notice in claimed:
        await worker._deliver(notice)
    done, worker._done = worker._done, []
    if done:
        await worker._record(done)
    return len(claimed)


# -- the edges of a process that are no service's -------------------------------------------------------------------------


class _Logs(logging.Handler):
    """Keeps every line as it would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logs._JsonLines("tests"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def _name(kind: str, number: int) -> UUID:
    return uuid5(NAMES, f"{kind}/{number}")


REPLACED: list[tuple[Any, str]] = [
    (filing, "uuid7"),
    (outbox, "uuid7"),
    (tracking, "new_code"),
    (tracking, "new_secret"),
    (monitor_app, "load_law"),
    (laws, "read"),
    *((service, "make_context") for service in (ROUTING, NOTIFIER, INTAKE)),
    (recalculate, "BATCH"),
    (recalculate, "ABREAST"),
]
"""What a world replaces in the modules that it drives."""


def _take_chance_from(chance: Random) -> None:
    """Ids and codes are drawn from the seed. Keys and nonces are not: nothing depends on their bytes."""

    def drawn() -> UUID:
        return UUID(int=chance.getrandbits(128), version=4)

    def code(prefix: str) -> str:
        letters = "".join(chance.choices("234679ACDEFGHJKMNPQRTWXYZ", k=8))
        return f"{prefix}-{letters[:4]}-{letters[4:]}"

    filing.uuid7 = outbox.uuid7 = drawn  # type: ignore[attr-defined,assignment]
    tracking.new_code = code
    tracking.new_secret = lambda: chance.randbytes(32).hex()


def _settings(name: str, dsn: str, pack: Path, folder: Path) -> Any:
    key = folder / "intake.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(base64.b64encode(bytes(32)))
    own: dict[str, dict[str, Any]] = {
        "intake": {"key_file": key},
        "sla_monitor": {"reconcile_seconds": 0.001},
        "notifier": {"intake_url": "http://127.0.0.1:9", "webhook_secret_file": key, "smtp": "127.0.0.1:9"},
    }
    return TABLES[name].settings(kafka="memory:9092", database=dsn, pack=pack, **own.get(name, {}))


def read_laws_once() -> None:
    """A process that starts reads its pack; ours start by the thousand, so an edition is read once."""

    monitor_app.load_law = _read_once(load_law)  # type: ignore[attr-defined,assignment]
    laws.read = _read_once(laws.read)  # type: ignore[assignment]
    for service in (ROUTING, NOTIFIER, INTAKE):
        object.__setattr__(service, "make_context", _made_once(service.make_context))
    recalculate.BATCH = 2
    recalculate.ABREAST = 1  # what runs side by side has no order that a seed decides


def _read_once(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    kept = functools.cache(read)
    return lambda pack: kept(pack.resolve())


def _made_once(make: Callable[[Chassis], Awaitable[Any]]) -> Callable[[Chassis], Awaitable[Any]]:
    """For contexts that are values: what the pack says, read once."""
    kept: list[Any] = []

    async def once(chassis: Chassis) -> Any:
        if not kept:
            kept.append(await make(chassis))
        return kept[0]

    return once


@asynccontextmanager
async def opened(server: Server, folder: Path) -> AsyncIterator[World]:
    """A world with its connections, for as many stories as one likes."""
    lines = {name: [await _connected(server.dsn(name)) for _ in range(2)] for name in SERVICES}
    lines["clerk"] = [await _connected(server.dsn("sla_monitor"))]
    world = World(server, lines, home.write(folder / "home"), folder)
    root = logging.getLogger()
    root.addHandler(world.logs)
    root.setLevel(logging.INFO)
    try:
        yield world
    finally:
        root.removeHandler(world.logs)
        for some in lines.values():
            for line in some:
                await line.close()


async def _connected(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
