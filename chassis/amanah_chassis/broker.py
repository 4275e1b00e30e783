"""FastStream, set so that it loses nothing: raw records, explicit offsets, no acknowledgement before the effect.

Its defaults would: `ACK_FIRST` commits before the handler ran, headers are decoded before any handler may object (one that
is not UTF-8 then stalls the partition for good), and `ack()` without offsets skips what failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Any

from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from amanah_chassis import closed_connections, header_keys
from amanah_chassis.batch import Origin
from amanah_chassis.decode import origin
from amanah_chassis.reading import Offsets, Reading

KAFKA_ERRORS = (KafkaError,)

Apply = Callable[[Sequence[Origin]], Awaitable[None]]


def make_broker(bootstrap: str) -> KafkaBroker:
    """A broker that hands over what it reads untouched and publishes nothing: sending is the relay's."""
    header_keys.install()
    closed_connections.install()
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
) -> Reading:
    """Reads `topics` (or those that match `pattern`) from the earliest record and commits offsets only after `apply`.
    Answers how far behind the reading is.

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
    offsets, reading = Offsets(lambda: subscriber.consumer), Reading(lambda: subscriber.consumer)

    async def work(records: tuple[Any, ...]) -> None:
        async with reading.applying():
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
    return reading


async def _untouched(records: tuple[Any, ...]) -> KafkaMessage:
    return KafkaMessage(body=b"", headers={}, raw_message=records, consumer=FAKE_CONSUMER)


async def _undecoded(message: KafkaMessage) -> Any:
    return message.raw_message
