"""One service while it lives: its own code, and in memory or under the hand of the world its edges."""

import base64
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.deterministic.broker import Broker, Producer, Reader, Subscription
from tests.deterministic.edges import Edge, Pool

from amanah_casework.app import SERVICE as CASEWORK
from amanah_chassis import outbox
from amanah_chassis import service as services
from amanah_chassis.chassis import Chassis
from amanah_chassis.clock import Clock
from amanah_chassis.consumer import Consumer
from amanah_chassis.relay import FAULTS, Relay
from amanah_chassis.service import Service
from amanah_intake import filing
from amanah_intake.app import SERVICE as INTAKE
from amanah_intake.domain import tracking
from amanah_notifier import delivery
from amanah_notifier.app import SERVICE as NOTIFIER
from amanah_notifier.domain import Channel
from amanah_routing.app import SERVICE as ROUTING
from amanah_sla_monitor import app as monitor_app
from amanah_sla_monitor import recalculate
from amanah_sla_monitor.app import SERVICE as SLA_MONITOR
from amanah_sla_monitor.pack import load_law
from amanah_sla_monitor.reconciler import law as laws

if TYPE_CHECKING:
    from tests.deterministic.world import World

TABLES: dict[str, Service[Any]] = {s.name: s for s in (INTAKE, ROUTING, CASEWORK, SLA_MONITOR, NOTIFIER)}


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


async def poll(process: Process, chance: Random, most: int) -> int:
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


async def deliver_notices(notifier: Process) -> int:
    worker = notifier.worker
    claimed = await worker._claim()
    for notice in claimed:
        await worker._deliver(notice)
    done, worker._done = worker._done, []
    if done:
        await worker._record(done)
    return len(claimed)


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


def take_chance_from(chance: Random) -> None:
    """Ids and codes are drawn from the seed. Keys and nonces are not: nothing depends on their bytes."""

    def drawn() -> UUID:
        return UUID(int=chance.getrandbits(128), version=4)

    def code(prefix: str) -> str:
        letters = "".join(chance.choices("234679ACDEFGHJKMNPQRTWXYZ", k=8))
        return f"{prefix}-{letters[:4]}-{letters[4:]}"

    filing.uuid7 = outbox.uuid7 = drawn  # type: ignore[attr-defined,assignment]
    tracking.new_code = code
    tracking.new_secret = lambda: chance.randbytes(32).hex()


def settings_of(name: str, dsn: str, pack: Path, folder: Path) -> Any:
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
