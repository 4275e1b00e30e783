"""Sends committed events to Kafka in order, and sweeps what a crash left unsent.

One relay a service is at work at a time (an advisory lock); the others stand by. It wakes at commit, not at a poll.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, ProducerClosed

from amanah_chassis import metrics, telemetry
from amanah_chassis.held_back import NO_TOPIC, TOO_LARGE, HeldBack
from amanah_chassis.logs import logger

log = logger(__name__)

BATCH = 2000
SWEEP_SECONDS = 1.0
SEND_TIMEOUT_SECONDS = 10.0
DROP_TIMEOUT_SECONDS = 3.0
SHORTEST_PAUSE = 0.2
LOOKS = 10
"""Times, a tenth of a second apart, that a topic is looked for before it counts as missing."""
LARGEST = 1_000_000
"""Bytes of a body: Kafka's default for a whole record, less some room for its headers."""

_UNSENT = """
    select id, event_id::text, topic, subject::text, type, seq::text, traceparent, value, created_at
    from chassis_outbox where sent_at is null order by id limit $1
    """
_UNSENT_BUT_HELD_BACK = """
    select id, event_id::text, topic, subject::text, type, seq::text, traceparent, value, created_at
    from chassis_outbox o where sent_at is null and topic <> all($2::text[]) and not exists
        (select from unnest($3::text[], $4::uuid[]) h (topic, subject) where h.topic = o.topic and h.subject = o.subject)
    order by id limit $1
    """

FAULTS = (
    KafkaError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection cut at the wrong moment
)
"""After these the relay begins anew; any other error is a fault of ours and ends the process."""


class Relay:
    """`wake()` after a commit; `run()` until cancelled."""

    def __init__(self, dsn: str, bootstrap: str, source: str) -> None:
        self._dsn = dsn
        self._bootstrap = bootstrap
        self._source = source.encode()
        self._woken = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._pause = SHORTEST_PAUSE
        self._held = HeldBack()
        self._one_by_one = False
        self.leading = False

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Leads whenever it can; on any failure drops producer and connection, waits, and begins anew."""
        while True:
            try:
                await self._lead()
            except FAULTS as error:
                # A fatal producer error (fencing, OutOfOrderSequenceNumber) never heals in place: a new producer does.
                metrics.PUBLISH_FAILURES.labels(type(error).__name__).inc()
                log.warning("relay starts anew", extra={"error": type(error).__name__})
            finally:
                self.leading = False
                await self._drop_producer()
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, 5.0)

    async def _lead(self) -> None:
        db = await asyncpg.connect(self._dsn)
        try:
            while not await db.fetchval("select pg_try_advisory_lock(hashtext('chassis_relay'))"):
                await asyncio.sleep(SWEEP_SECONDS)
            await db.add_listener("chassis_outbox", lambda *_: self.wake())
            self.leading = True
            while True:
                self._woken.clear()
                while await self._send_batch(db):
                    pass
                try:
                    # Not wait_for, which in Python 3.11 loses a cancellation that comes together with the wake-up.
                    async with asyncio.timeout(SWEEP_SECONDS):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            with suppress(*FAULTS):  # must not stand in for the cancellation or the fault that ends this
                await db.close(timeout=2)

    async def _send_batch(self, db: asyncpg.Connection) -> int:
        rows = await self._unsent(db)
        if not rows:
            return 0
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            sends = await self._hand_over(rows)
            results = await asyncio.gather(*(future for future, _ in sends), return_exceptions=True)
        sent = [row for result, (_, lot) in zip(results, sends, strict=True) if not _failed(result) for row in lot]
        await db.execute(
            "update chassis_outbox set sent_at = clock_timestamp() where id = any($1)", [row["id"] for row in sent]
        )
        for topic, count in Counter(row["topic"] for row in sent).items():
            metrics.PUBLISHED.labels(topic).inc(count)
        self._judge(results, [lot for _, lot in sends])
        self._pause = SHORTEST_PAUSE
        return len(rows)

    async def _unsent(self, db: asyncpg.Connection) -> list[asyncpg.Record]:
        if self._held:
            self._held.forget_old(_loop_time())
        if not self._held:
            return await db.fetch(_UNSENT, BATCH)
        streams = self._held.streams()
        return await db.fetch(
            _UNSENT_BUT_HELD_BACK, BATCH, self._held.topics(), [topic for topic, _ in streams], [s for _, s in streams]
        )

    def _judge(self, results: Sequence[Any], lots: Sequence[Sequence[asyncpg.Record]]) -> None:
        """Raises what failed: its producer is of no further use. What Kafka found too large is held back; of several that it
        refused together, the next round finds out which."""
        refused = [lot for r, lot in zip(results, lots, strict=True) if isinstance(r, MessageSizeTooLargeError)]
        self._one_by_one = any(len(lot) > 1 for lot in refused)
        for [row] in (lot for lot in refused if len(lot) == 1):
            self._held.add(row["topic"], row["subject"], TOO_LARGE, _loop_time())
        for result in results:
            if _failed(result):
                raise result

    async def _hand_over(
        self, rows: Sequence[asyncpg.Record]
    ) -> list[tuple["asyncio.Future[Any]", list[asyncpg.Record]]]:
        """Gives the rows to the producer in whole batches, in order for each partition; answers what to wait for, and for
        which rows. One by one they would cost twice the time."""
        producer = await self._ready_producer()
        lanes: dict[tuple[str, int], list[asyncpg.Record]] = {}
        counts = {topic: await self._partitions(producer, topic) for topic in {row["topic"] for row in rows}}
        for row in rows:
            topic, subject = row["topic"], row["subject"]
            if len(row["value"]) > LARGEST:
                self._held.add(topic, subject, TOO_LARGE, _loop_time())
            if not self._held.holds(topic, subject):
                lanes.setdefault((topic, partition(subject, counts[topic])), []).append(row)
        sends: list[tuple[asyncio.Future[Any], list[asyncpg.Record]]] = []
        for (topic, number), lane in lanes.items():
            batch, lot = producer.create_batch(), list[asyncpg.Record]()
            for row in lane:
                record = {"key": row["subject"].encode(), "value": row["value"], "headers": self._headers(row)}
                if (self._one_by_one and lot) or batch.append(timestamp=None, **record) is None:
                    sends.append((await _send(producer, batch, topic, number), lot))
                    batch, lot = producer.create_batch(), []
                    batch.append(timestamp=None, **record)
                lot.append(row)
            sends.append((await _send(producer, batch, topic, number), lot))
        return sends

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> int:
        """How many a topic has; 0 when there is no such topic, which is then held back. One that has just been made needs a
        moment to be known, so of a new one it is asked more than once."""
        client = producer.client
        for look in range(1 if self._held.known(topic) else LOOKS):
            if look:
                await asyncio.sleep(0.1)
            if client.cluster.partitions_for_topic(topic) is None:
                await client.add_topic(topic)
            if client.cluster.partitions_for_topic(topic) is None and not await client.force_metadata_update():
                raise KafkaConnectionError
            if found := client.cluster.partitions_for_topic(topic):
                self._held.taken(topic)
                return len(found)
        self._held.add(topic, "", NO_TOPIC, _loop_time())
        return 0

    def _headers(self, row: asyncpg.Record) -> list[tuple[str, bytes]]:
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", row["event_id"].encode()),
            ("ce_source", self._source),
            ("ce_type", row["type"].encode()),
            ("ce_time", row["created_at"].isoformat().encode()),
            ("ce_subject", row["subject"].encode()),
            ("ce_sequence", row["seq"].encode()),
            ("content-type", b"application/json"),
        ]
        traceparent = row["traceparent"]
        if telemetry.enabled():
            with telemetry.span(f"publish {row['type']}", traceparent) as onward:
                traceparent = onward
        if traceparent:
            headers.append(("traceparent", traceparent.encode()))
        return headers

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(**producer_settings(self._bootstrap))
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        if self._producer is None:
            return
        producer, self._producer = self._producer, None
        try:
            await asyncio.wait_for(producer.stop(), DROP_TIMEOUT_SECONDS)
        except FAULTS as error:
            log.warning("producer did not stop cleanly", extra={"error": type(error).__name__})
            await _end(producer)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _failed(result: Any) -> bool:
    return isinstance(result, BaseException)


def partition(subject: str, count: int) -> int:
    """Where all records of a subject lie on a topic: CRC-32 of the key, as librdkafka's `consistent` partitioner has it."""
    return zlib.crc32(subject.encode()) % count


async def _send(producer: AIOKafkaProducer, batch: Any, topic: str, number: int) -> "asyncio.Future[Any]":
    batch.close()
    sent: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=number)
    return sent


async def _end(producer: AIOKafkaProducer) -> None:
    """By force. An idempotent producer never gives up on a record: left alone, it would go on beside its successor."""
    sender = producer._sender.sender_task
    for _ in range(2):  # cancelled once, it waits for what is in flight; cancelled again, that ends too
        if sender is not None:
            sender.cancel()
            await asyncio.wait([sender], timeout=DROP_TIMEOUT_SECONDS / 10)
    producer._message_accumulator.fail_all(ProducerClosed())
    with suppress(*FAULTS):
        await asyncio.wait_for(producer.client.close(), DROP_TIMEOUT_SECONDS)


def producer_settings(bootstrap: str) -> dict[str, Any]:
    """Safe sending, stated once: all replicas acknowledge, retries neither double nor reorder."""
    return {
        "bootstrap_servers": bootstrap,
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "max_batch_size": 256 * 1024,
        "request_timeout_ms": 10_000,
    }
