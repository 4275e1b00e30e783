"""Whoever is outside and wants something: citizens, agencies, officers in triage, and the recipients of notices."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from tests.deterministic import home
from tests.deterministic.broker import Broker
from tests.deterministic.edges import Crash
from tests.deterministic.process import Process

from amanah_chassis.lanes import partition
from amanah_chassis.problems import Problem
from amanah_contracts import agency as orders
from amanah_intake import filing, vaultroom
from amanah_intake.domain.form import Form
from amanah_notifier.contact import Contact, Unavailable
from amanah_notifier.schedule import Accepted, TryAgain
from amanah_routing import handlers as routing
from amanah_routing import store as routing_store

VERBS = (
    "acknowledge", "reply", "resolve", "decline", "request_information", "receive_information", "extend", "withdraw",
)  # fmt: skip
NAMES = UUID(int=0)


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


class People:
    """What they do to the world. Each `on_…` is a step."""

    now: datetime
    broker: Broker
    processes: dict[str, Process]
    filed: list[Filed]
    canaries: list[Canary]
    given: list[tuple[str, bytes, list[tuple[str, bytes]], bytes]]
    """Orders as their agencies gave them: topic, key, headers, body."""
    poison: set[tuple[str, int, int]]
    sent: list[Sent]
    patient: bool
    """Whether recipients accept whatever comes."""

    async def at(self, name: str, work: Callable[[Process], Awaitable[Any]]) -> Any:
        raise NotImplementedError

    async def restart(self, name: str) -> None:
        raise NotImplementedError

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
        await self.at("intake", work)
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
        complaint = self.complaint(which)
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
        complaint = self.complaint(which)
        if complaint is None:
            return

        async def work(process: Process) -> None:
            async with process.chassis.transaction() as tx:
                known = (await routing_store.load(tx.db, [complaint])).get(complaint)
                if known is not None and known.state == "triage":
                    agency = home.AGENCIES[dice % len(home.AGENCIES)]
                    await routing.assign_by_person(tx, known, agency, "A person decided.", None)

        with suppress(asyncpg.DataError):  # the bug of a curse: the person gets a 500
            await self.at("routing", work)

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

    def complaint(self, which: int) -> UUID | None:
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


def _name(kind: str, number: int) -> UUID:
    return uuid5(NAMES, f"{kind}/{number}")
