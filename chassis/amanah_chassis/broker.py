"""FastStream, set so that it loses nothing: raw records, explicit offsets, no acknowledgement before the effect.

Its defaults would: `ACK_FIRST` commits before the handler ran, headers are decoded before any handler may object (one that
is not UTF-8 then stalls the partition for good), and `ack()` without offsets skips what failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from amanah_chassis import header_keys
from amanah_chassis.batch import Origin
from amanah_chassis.decode import origin
from amanah_chassis.logs import logger

log = logger(__name__)

KAFKA_ERRORS = (KafkaError,)

COMMIT_PAUSE = 0.5
Apply = Callable[[Sequence[Origin]], Awaitable[None]]


def make_broker(bootstrap: str) -> KafkaBroker:
    """A broker that hands over what it reads untouched and publishes nothing: sending is the relay's."""
    header_keys.install()
    return KafkaBroker(
        bootstrap.split(","),  # given as one text, FastStream would take several servers for the name of one
        apply_types=False,
        logger=None,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        metadata_max_age_ms=5_000,
        graceful_timeout=4.0,  # a batch may finish; whoever ends the process waits for ten seconds
    )


def subscribe(
    broker: KafkaBroker,
    apply: Apply,
    crash: Callable[[BaseException], None],
    *,
    group: str,
    instance: str,
    topics: Sequence[str] = (),
    pattern: str | None = None,
    batch_size: int = 500,
) -> Callable[[], float]:
    """Reads `topics` (or those that match `pattern`) from the earliest record and commits offsets only after `apply`. What
    it answers tells for how long Kafka has been silent: see `Listening`.

    `crash` is called when the chassis itself fails: going on would skip records, so the process must end.
    """
    subscriber = broker.subscriber(
        *topics,
        pattern=pattern,
        batch=True,
        max_records=batch_size,
        group_id=group,
        group_instance_id=f"{group}.{instance}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        parser=_untouched,
        decoder=_undecoded,
        session_timeout_ms=10_000,
        fetch_max_wait_ms=200,
    )

    # FastStream keeps the message, and with it all its records, in the context of whoever handles it. A connection or a
    # timer that is made there and lives on (the pool's, those of its prepared statements) would keep them too.
    plain = copy_context()
    offsets = Offsets(lambda: subscriber.consumer)

    async def work(records: tuple[Any, ...]) -> None:
        await apply([origin(record) for record in records])
        await offsets.commit(records)

    async def on_records(records: tuple[Any, ...]) -> None:
        try:
            await asyncio.get_running_loop().create_task(work(records), context=plain)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - FastStream would log it and go on to the next record
            crash(error)
            await asyncio.Event().wait()

    subscriber(on_records)
    return Listening(lambda: subscriber.consumer)


class Offsets:
    """Commits how far a group has come. What the coordinator does not take, because it is away or has moved, is tried again
    also when nothing new comes: whoever asks the group how far it is would else never hear of it."""

    def __init__(self, consumer: Callable[[], Any]) -> None:
        self._consumer = consumer
        self._uncommitted: dict[TopicPartition, int] = {}
        self._again: asyncio.Task[None] | None = None

    async def commit(self, records: Sequence[Any]) -> None:
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._uncommitted[partition] = max(self._uncommitted.get(partition, 0), record.offset + 1)
        if not await self._try() and (self._again is None or self._again.done()):
            self._again = asyncio.create_task(self._try_again())

    async def _try_again(self) -> None:
        await asyncio.sleep(COMMIT_PAUSE)
        while not await self._try():
            await asyncio.sleep(COMMIT_PAUSE)

    async def _try(self) -> bool:
        """Whether nothing is left to be tried."""
        consumer = self._consumer()
        offsets = {at: offset for at, offset in self._uncommitted.items() if at in consumer.assignment()}
        self._uncommitted = dict(offsets)
        try:
            if offsets:
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            # The partitions went to another member meanwhile. It will read these records again and find them applied.
            log.warning("offsets not committed: the group was rebalanced", extra={"partitions": len(offsets)})
        except KafkaError as error:
            log.warning("offsets not committed", extra={"error": type(error).__name__, "partitions": len(offsets)})
            return False
        for at, offset in offsets.items():
            if self._uncommitted.get(at) == offset:
                del self._uncommitted[at]
        return True


class Listening:
    """Call it to hear for how many seconds Kafka has not answered for one of the partitions, be it that it had nothing new:
    fetches come back several times a second. It notices a change when it is called; 0 while none is assigned or fetched."""

    def __init__(self, consumer: Callable[[], Any]) -> None:
        self._consumer = consumer
        self._heard: dict[TopicPartition, tuple[int, float]] = {}
        """The fetch last heard of, by its own stamp, and when we noticed it."""

    def __call__(self) -> float:
        consumer, now, heard = self._consumer(), monotonic(), {}
        for partition in consumer.assignment() if consumer else ():
            stamp = consumer.last_poll_timestamp(partition)
            if stamp is not None:
                before = self._heard.get(partition)
                heard[partition] = before if before and before[0] == stamp else (stamp, now)
        self._heard = heard
        return max((now - noticed for _, noticed in heard.values()), default=0.0)


async def _untouched(records: tuple[Any, ...]) -> KafkaMessage:
    return KafkaMessage(body=b"", headers={}, raw_message=records, consumer=FAKE_CONSUMER)


async def _undecoded(message: KafkaMessage) -> Any:
    return message.raw_message
