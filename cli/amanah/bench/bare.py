"""What the bare loops over Kafka share: reading by the batch, numbering and storing what is to be sent, sending it.

By hand and without a promise: no leader, no sweep of what a crash left, no look at what a record holds.
"""

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from uuid_utils.compat import uuid7

from amanah_chassis.relay import producer_settings

BATCH = 500
SENT_AT_ONCE = 2000
SWEEP_SECONDS = 1.0


class Outgoing(NamedTuple):
    """One record for one topic."""

    event_id: UUID
    topic: str
    audience: str
    subject: UUID
    kind: str
    body: bytes


def outgoing(topics: Sequence[tuple[str, str]], subject: UUID, kind: str, body: dict[str, Any]) -> list[Outgoing]:
    """One event for each topic and audience, under one id."""
    event_id, written = uuid7(), json.dumps(body).encode()
    return [Outgoing(event_id, topic, audience, subject, kind, written) for topic, audience in topics]


async def batches(kafka: str, topics: Sequence[str], group: str) -> AsyncIterator[tuple[list[Any], AIOKafkaConsumer]]:
    """Records, and the reader to commit with when they have had their effect."""
    reader = AIOKafkaConsumer(
        *topics, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await reader.start()
    try:
        while True:
            found = await reader.getmany(timeout_ms=1000, max_records=BATCH)
            if records := [record for lot in found.values() for record in lot]:
                yield records, reader
    finally:
        await reader.stop()


async def begin(db: asyncpg.Connection, streams: Sequence[tuple[str, UUID]]) -> datetime:
    """The clock, and the positions, as a transaction of ours reads them."""
    now: datetime = await db.fetchval("select clock_timestamp()")
    await db.fetch(
        "select p.source, p.subject, p.seq from chassis_position p"
        " join unnest($1::text[], $2::uuid[]) as s (source, subject) using (source, subject)",
        [source for source, _ in streams],
        [subject for _, subject in streams],
    )
    return now


async def store(db: asyncpg.Connection, events: Sequence[Outgoing], now: datetime) -> None:
    """Numbers them and stores them in the outbox, with two statements."""
    if not events:
        return
    streams = Counter((event.subject, event.audience) for event in events)
    ordered = sorted(streams)
    rows = await db.fetch(
        """
        insert into chassis_stream as s (subject, audience, seq)
        select * from unnest($1::uuid[], $2::text[], $3::bigint[])
        on conflict (subject, audience) do update set seq = s.seq + excluded.seq
        returning subject, audience, seq
        """,
        [subject for subject, _ in ordered],
        [audience for _, audience in ordered],
        [streams[stream] for stream in ordered],
    )
    numbers = {(row[0], row[1]): row[2] - streams[row[0], row[1]] for row in rows}
    records = []
    for event in events:
        stream = event.subject, event.audience
        numbers[stream] += 1
        records.append((event.event_id, event.topic, event.subject, event.kind, numbers[stream], event.body, now))
    await db.copy_records_to_table(
        "chassis_outbox",
        records=records,
        columns=("event_id", "topic", "subject", "type", "seq", "value", "created_at"),
    )


async def advance(db: asyncpg.Connection, after: dict[tuple[str, UUID], int]) -> None:
    """Positions, with one statement."""
    ordered = sorted(after)
    await db.execute(
        "insert into chassis_position (source, subject, seq) select * from unnest($1::text[], $2::uuid[], $3::bigint[])"
        " on conflict (source, subject) do update set seq = excluded.seq",
        [source for source, _ in ordered],
        [subject for _, subject in ordered],
        [after[stream] for stream in ordered],
    )


async def send_all(database: str, kafka: str, source: str, committed: asyncio.Event) -> None:
    """Sends what comes into the outbox, until it is cancelled: by whole batches, a topic and partition at a time. Woken by
    `committed`, or by a notification as ours is."""
    db = await asyncpg.connect(database)
    await db.add_listener("chassis_outbox", lambda *_: committed.set())
    producer = AIOKafkaProducer(**producer_settings(kafka))
    await producer.start()
    try:
        while True:
            committed.clear()
            while await _send_some(db, producer, source):
                pass
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await committed.wait()
    finally:
        await producer.stop()
        await db.close()


async def _send_some(db: asyncpg.Connection, producer: AIOKafkaProducer, source: str) -> int:
    rows = await db.fetch(
        "select id, event_id::text, topic, subject::text, type, seq, value, created_at"
        " from chassis_outbox where sent_at is null order by id limit $1",
        SENT_AT_ONCE,
    )
    lanes: dict[tuple[str, int], list[asyncpg.Record]] = {}
    for row in rows:
        partitions = producer.client.cluster.partitions_for_topic(row["topic"])
        if not partitions:
            await producer.client.add_topic(row["topic"])
            partitions = await producer.partitions_for(row["topic"])
        lanes.setdefault((row["topic"], zlib.crc32(row["subject"].encode()) % len(partitions)), []).append(row)
    await asyncio.gather(*(_send_lane(producer, *lane, lot, source.encode()) for lane, lot in lanes.items()))
    if rows:
        await db.execute(
            "update chassis_outbox set sent_at = clock_timestamp() where id = any($1)", [row["id"] for row in rows]
        )
    return len(rows)


async def _send_lane(
    producer: AIOKafkaProducer, topic: str, partition: int, rows: Sequence[asyncpg.Record], source: bytes
) -> None:
    batch = producer.create_batch()
    for row in rows:
        key, headers = row["subject"].encode(), _headers(row, source)
        if batch.append(timestamp=None, key=key, value=row["value"], headers=headers) is None:
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=row["value"], headers=headers)
    batch.close()
    await (await producer.send_batch(batch, topic, partition=partition))


def _headers(row: asyncpg.Record, source: bytes) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", row["event_id"].encode()),
        ("ce_source", source),
        ("ce_type", row["type"].encode()),
        ("ce_time", row["created_at"].isoformat().encode()),
        ("ce_subject", row["subject"].encode()),
        ("content-type", b"application/json"),
        ("ce_sequence", b"%d" % row["seq"]),
    ]
