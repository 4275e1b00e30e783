"""The smallest service there is, for tests of the chassis: it notes labels, one row an effect, and can be told to fail."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
from confluent_kafka import Consumer as KafkaReader
from confluent_kafka import Producer as KafkaWriter
from confluent_kafka import TopicPartition

from amanah_chassis import broker as brokers
from amanah_chassis.batch import Batch, Handler, Origin
from amanah_chassis.chassis import Chassis
from amanah_chassis.consumer import Consumer
from amanah_chassis.database import migrate
from amanah_chassis.settings import ChassisSettings
from amanah_contracts.envelope import Event, Message, Registry

DAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SOURCE = "amanah.tests"
Header = tuple[str, bytes | None]


class Noted(Event):
    """A fact with one word in it."""

    stem: ClassVar[str] = "thing.noted"
    label: str = ""


class Passed(Event):
    """A fact that this service does not handle."""

    stem: ClassVar[str] = "thing.passed"


class Book:
    """The service's context. `poison`: labels whose handler raises; `early`: labels that must wait for another fact."""

    def __init__(self) -> None:
        self.poison: set[str] = set()
        self.early: set[str] = set()
        self.batches: list[int] = []
        self.before_return: Callable[[], Any] | None = None


async def on_thing_noted(batch: Batch[Noted], book: Book) -> None:
    book.batches.append(len(batch.deliveries))
    for delivered in batch.deliveries:
        if delivered.event.label in book.poison:
            raise ValueError(f"cannot handle {delivered.event.label}")
        if delivered.event.label in book.early:
            batch.park(delivered, "another fact")
    waiting = {id(item) for item, _ in batch.parked}
    await batch.db.executemany(
        "insert into effect (subject, seq, label, at) values ($1, $2, $3, $4)",
        [(d.event.subject, d.seq, d.event.label, d.appended_at) for d in batch.deliveries if id(d) not in waiting],
    )
    if book.before_return is not None:
        await book.before_return()


def noted_on(topic_name: str) -> type[Noted]:
    """The event, owned by a topic of the test's own."""

    class NotedHere(Noted):
        topic: ClassVar[str] = topic_name

    return NotedHere


def passed_on(topic_name: str) -> type[Passed]:
    class PassedHere(Passed):
        topic: ClassVar[str] = topic_name

    return PassedHere


async def prepare(dsn: str) -> None:
    """The tables of the chassis and those of this service."""
    await migrate(dsn, ("amanah_chassis",))
    db = await asyncpg.connect(dsn)
    await db.execute(
        "create table if not exists effect"
        " (id bigint generated always as identity, subject uuid, seq bigint, label text, at timestamptz)"
    )
    await db.close()


@dataclass
class Ledger:
    """The service at work: a chassis, its consumer, and the topic it reads."""

    kafka: str
    dsn: str
    topic: str
    chassis: Chassis
    book: Book
    registry: Registry
    handlers: dict[type[Message], Handler]
    consumer: Consumer
    crashes: list[BaseException] = field(default_factory=list)

    @asynccontextmanager
    async def consuming(self, batch_size: int = 500, group: str | None = None) -> AsyncIterator[Any]:
        """Reads the topic the way a service does; `crashes` says when the chassis failed."""
        broker = brokers.make_broker(self.kafka)
        brokers.subscribe(
            broker,
            self.consumer.apply,
            self.crashes.append,
            group=group or f"test.{self.topic}",
            instance="0",
            topics=[self.topic],
            batch_size=batch_size,
        )
        await broker.start()
        try:
            yield broker
        finally:
            await broker.stop()

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self.chassis.pool.fetch(sql, *arguments)

    async def effects(self, subject: UUID | None = None) -> list[str]:
        rows = await self.rows("select label from effect where $1::uuid is null or subject = $1 order by id", subject)
        return [row["label"] for row in rows]

    async def letters(self) -> list[asyncpg.Record]:
        return await self.rows("select * from chassis_dead_letter where replayed_at is null order by id")


@asynccontextmanager
async def at_work(
    kafka: str, dsn: str, topic: str, name: str = "tests", book: Book | None = None
) -> AsyncIterator[Ledger]:
    """Opens the service on a prepared database."""
    event, passed = noted_on(topic), passed_on(topic)
    registry = Registry(event, passed)
    book = book or Book()
    handlers: dict[type[Message], Handler] = {event: on_thing_noted}
    async with Chassis.open(ChassisSettings(kafka=kafka, database=dsn), name) as chassis:
        consumer = Consumer(chassis, book, registry, handlers)
        yield Ledger(kafka, dsn, topic, chassis, book, registry, handlers, consumer)


def headers(subject: UUID, seq: int, **changed: bytes | None) -> list[Header]:
    """Good headers; `ce_id=b"..."` changes one and `ce_id=None` leaves it out."""
    good = {
        "ce_id": str(uuid4()).encode(),
        "ce_source": SOURCE.encode(),
        "ce_type": b"thing.noted.v1",
        "ce_time": DAY.isoformat().encode(),
        "ce_subject": str(subject).encode(),
        "ce_sequence": str(seq).encode(),
    }
    return [(name, value) for name, value in (good | changed).items() if value is not None]


def body(subject: UUID, label: str) -> bytes:
    moment = DAY.isoformat()
    return json.dumps(
        {"complaint_id": str(subject), "occurred_at": moment, "received_at": moment, "label": label}
    ).encode()


def record(topic: str, subject: UUID, seq: int, label: str, offset: int = 0, **changed: bytes | None) -> Origin:
    """A record as if it had been read from Kafka."""
    return Origin(
        topic, 0, offset, DAY, str(subject).encode(), tuple(headers(subject, seq, **changed)), body(subject, label)
    )


class Writer:
    """Puts bytes into a topic with another client library than ours."""

    def __init__(self, kafka: str, topic: str, **settings: Any) -> None:
        self._producer = KafkaWriter({"bootstrap.servers": kafka, "message.max.bytes": 8_000_000, **settings})
        self.topic = topic

    def put(self, value: bytes | None, key: bytes | None, raw_headers: Sequence[Header]) -> None:
        self._producer.produce(self.topic, value=value, key=key, headers=list(raw_headers), partition=0)
        self._producer.poll(0)

    def good(self, subject: UUID, seq: int, label: str, **changed: bytes | None) -> None:
        self.put(body(subject, label), str(subject).encode(), headers(subject, seq, **changed))

    def flush(self) -> None:
        assert self._producer.flush(90) == 0


def read_all(kafka: str, topic: str) -> list[Any]:
    """Every record of a topic of one partition, read with another client library than ours."""
    reader = KafkaReader({"bootstrap.servers": kafka, "group.id": f"reader.{uuid4()}", "enable.auto.commit": False})
    try:
        partition = TopicPartition(topic, 0, 0)
        _, end = reader.get_watermark_offsets(partition, timeout=10)
        reader.assign([partition])
        found: list[Any] = []
        while len(found) < end:
            for message in reader.consume(end - len(found), timeout=10):
                assert message.error() is None, message.error()
                found.append(message)
        return found
    finally:
        reader.close()


async def until(condition: Callable[[], Any], what: str = "", at_most: float = 60.0) -> Any:
    """Polls `condition`, which may be async, until it is true; answers its value."""
    async with asyncio.timeout(at_most):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
