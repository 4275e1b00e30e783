"""Sends committed events to Kafka in order, and sweeps what a crash left unsent.

One relay a service is at work at a time (an advisory lock); the others stand by. It wakes at commit, not at a poll.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, ProducerClosed

from amanah_chassis import metrics
from amanah_chassis.held_back import NO_TOPIC, TOO_LARGE, HeldBack
from amanah_chassis.lanes import Lane, Record, batches, partition, records
from amanah_chassis.logs import logger

log = logger(__name__)

BATCH = 5000
MANY = 500
REST_SECONDS = 0.25
"""After so many that were not yet a full batch the relay lets more come together: where a flood goes to hundreds of topics,
Kafka and we pay more for each topic's part of a batch than for the records in it. A few are sent at once, and of a backlog
one batch after the other."""
SWEEP_SECONDS = 1.0
SEND_TIMEOUT_SECONDS = 10.0
DROP_TIMEOUT_SECONDS = 3.0
SHORTEST_PAUSE = 0.2
LOOKS = 10
"""Times, a tenth of a second apart, that a topic is looked for before it counts as missing."""
LARGEST = 1_000_000
"""Bytes of a body: Kafka's default for a whole record, less some room for its headers."""

SILENT_SECONDS = 20.0
"""A leader asks for unsent rows each second, and at the latest when SEND_TIMEOUT_SECONDS are over. One that does not is
frozen, and whoever stands by ends its session: what it may still send when it thaws has been sent under the same ids."""

_END_A_SILENT_LEADER = """
    select bool_or(pg_terminate_backend(a.pid)) from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and l.granted
      and l.database = (select oid from pg_database where datname = current_database())
      and l.classid::bigint = (hashtext('chassis_relay')::bigint >> 32) & 4294967295
      and l.objid::bigint = hashtext('chassis_relay')::bigint & 4294967295
      and a.state = 'idle' and a.state_change < clock_timestamp() - make_interval(secs => $1)
    """
_UNSENT = """
    select id, event_id::text, topic, subject::text, type, seq, traceparent, value, created_at
    from chassis_outbox where sent_at is null order by id limit $1
    """
_UNSENT_BUT_HELD_BACK = """
    select id, event_id::text, topic, subject::text, type, seq, traceparent, value, created_at
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
        self._takes: dict[str, int] = {}
        """Bytes of a batch, for each topic that refused a larger one."""
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
                if await db.fetchval(_END_A_SILENT_LEADER, SILENT_SECONDS):
                    log.warning("a relay that held the lead without a word has lost it")
                await asyncio.sleep(SWEEP_SECONDS)
            await db.add_listener("chassis_outbox", lambda *_: self.wake())
            self.leading = True
            with suppress(*FAULTS):  # too early to complain: perhaps there is nothing to send
                async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                    await self._ready_producer()  # the first event need not wait for it
            while True:
                self._woken.clear()
                while (found := await self._send_batch(db)) >= BATCH:
                    pass
                if found >= MANY:
                    await asyncio.sleep(REST_SECONDS)
                    continue
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
        """Sends the oldest that are unsent and marks what Kafka acknowledged, though it be a part of them; answers how many
        there were. Raises what failed: its producer is of no further use."""
        rows = await self._unsent(db)
        if not rows:
            return 0
        sent: list[int] = []
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                producer = await self._ready_producer()
                counts = await self._partitions(producer, {row["topic"] for row in rows})
                lanes = self._lanes(rows, counts)
                results = await asyncio.gather(
                    *(self._send_lane(producer, lane, sending, sent) for lane, sending in lanes.items()),
                    return_exceptions=True,
                )
        except TimeoutError as late:
            results = [late]
        await db.execute("update chassis_outbox set sent_at = clock_timestamp() where id = any($1)", sent)
        for result in results:
            if result is not None:
                raise result
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

    def _lanes(self, rows: Iterable[asyncpg.Record], counts: Mapping[str, int]) -> dict[Lane, list[Record]]:
        """The records that Kafka may take, in order for each partition."""
        found: dict[Lane, list[Record]] = {}
        for topic, record in records(filter(self._may_go, rows), self._source):
            found.setdefault((topic, partition(record.key, counts[topic])), []).append(record)
        return found

    def _may_go(self, row: asyncpg.Record) -> bool:
        topic, subject = row["topic"], row["subject"]
        if len(row["value"]) > LARGEST:
            self._held.add(topic, subject, TOO_LARGE, _loop_time())
        return not self._held.holds(topic, subject)

    async def _send_lane(
        self, producer: AIOKafkaProducer, lane: Lane, sending: Sequence[Record], sent: list[int]
    ) -> None:
        """Sends whole batches (one by one, records would cost twice the time), each when the one before it is acknowledged:
        behind one that Kafka refuses nothing is sent, or readers would see a gap. Adds to `sent` what was acknowledged."""
        topic, number = lane
        for batch, lot in batches(producer, sending, self._takes.get(topic)):
            try:
                await (await producer.send_batch(batch, topic, partition=number))
            except MessageSizeTooLargeError:
                self._refused(topic, batch.size(), lot)
                raise
            sent += [record.id for record in lot]
            metrics.PUBLISHED.labels(topic).inc(len(lot))

    def _refused(self, topic: str, size: int, lot: Sequence[Record]) -> None:
        """What Kafka found too large is held back; of several that it refused together, smaller batches tell which."""
        self._pause = SHORTEST_PAUSE
        if len(lot) == 1:
            self._held.add(topic, lot[0].subject, TOO_LARGE, _loop_time())
        else:
            self._takes[topic] = min(size, self._takes.get(topic, size)) // 2

    async def _partitions(self, producer: AIOKafkaProducer, topics: set[str]) -> dict[str, int]:
        """How many each topic has; 0 when there is no such topic, which is then held back."""
        known = producer.client.cluster.partitions_for_topic
        await asyncio.gather(*(producer.client.add_topic(topic) for topic in topics if known(topic) is None))
        return {topic: await self._partitions_of(producer, topic) for topic in topics}

    async def _partitions_of(self, producer: AIOKafkaProducer, topic: str) -> int:
        """One that has just been made needs a moment to be known, so of a new one it is asked more than once."""
        client = producer.client
        for look in range(1 if self._held.known(topic) else LOOKS):
            if look:
                await asyncio.sleep(0.1)
            if client.cluster.partitions_for_topic(topic) is None and not await client.force_metadata_update():
                raise KafkaConnectionError
            if found := client.cluster.partitions_for_topic(topic):
                self._held.taken(topic)
                return len(found)
        self._held.add(topic, "", NO_TOPIC, _loop_time())
        return 0

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
