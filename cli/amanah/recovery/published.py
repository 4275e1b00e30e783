"""What lies in Kafka of each service's events, noted beside its outbox. Read with librdkafka, which no service uses."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from amanah.fault import Fault
from amanah.verify import records
from amanah_chassis import resend
from amanah_chassis.resend import Published

CHUNK = 5_000


async def note(dbs: Mapping[str, asyncpg.Connection], kafka: str, topics: Collection[str], *, whole: bool) -> int:
    """Notes in each service's session what these topics hold of it, and answers how much; `whole`: with the bodies."""
    for db in dbs.values():
        await resend.begin_notes(db)
    reading, count = read(kafka, topics, whole=whole), 0
    while chunk := await asyncio.to_thread(lambda: list(islice(reading, CHUNK))):
        of: dict[str, list[Published]] = defaultdict(list)
        for source, published in chunk:
            of[source.removeprefix("amanah.")].append(published)
        for service in of.keys() & dbs.keys():
            await resend.note(dbs[service], of[service])
            count += len(of[service])
    return count


def read(kafka: str, topics: Collection[str], *, whole: bool) -> Iterator[tuple[str, Published]]:
    """Source and event of every record up to the topics' present ends. What is no event of a service is passed over: it is
    in no outbox."""
    for message in messages(kafka, topics):
        try:
            yield _event(message, whole)
        except records.NOT_AN_EVENT:
            continue


def messages(kafka: str, topics: Collection[str]) -> Iterator[Any]:
    """Every record up to the topics' present ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "amanah-recovery",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        known = consumer.list_topics(timeout=records.PATIENCE_SECONDS).topics
        if missing := sorted(set(topics) - known.keys()):
            raise Fault(f"Kafka has no topic {', '.join(missing)}.")
        wanted = [TopicPartition(topic, n, 0) for topic in topics for n in known[topic].partitions]
        if wanted:
            yield from records._messages(consumer, wanted)
    finally:
        consumer.close()


def _event(message: Any, whole: bool) -> tuple[str, Published]:
    headers = {name: value.decode() for name, value in message.headers() or ()}
    value = message.value()
    return headers["ce_source"], Published(
        UUID(headers["ce_id"]),
        message.topic(),
        UUID(headers["ce_subject"]),
        headers["ce_type"],
        int(headers["ce_sequence"]),
        headers.get("traceparent"),
        value if whole else None,
        sha256(value).digest(),
        datetime.fromisoformat(headers["ce_time"]),
        datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=message.timestamp()[1]),
    )
