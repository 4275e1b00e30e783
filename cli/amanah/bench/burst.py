"""A hundred thousand deadlines due at one instant, from that instant to the last breach event in Kafka.

Ours is the service as it runs: ticker, the key that lets a breach be said once, outbox, relay, three topics for each breach
(owner's, agency's, Ombudsman's). The bare loop claims the same rows of the same table by hand and sends the same three
records, and promises nothing: no key, no outbox, no numbering. Instants are the broker's own (LogAppendTime).
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, TopicPartition

from amanah.bench.lines import Line, line, load
from amanah.embedded import topics
from amanah.embedded.stack import Stack
from amanah.progress import Progress
from amanah_chassis.database import migrate
from amanah_chassis.relay import producer_settings

CLAIM = 2000
TOPIC = "amanah.deadlines"
PATIENCE = 300.0
SETTING_UP = timedelta(seconds=1)


@dataclass(slots=True)
class Seen:
    """What a reader of Kafka saw of one burst."""

    breaches: Counter[str]
    first_ms: float
    last_ms: float


async def burst(stack: Stack, deadlines: int, rounds: int, progress: Progress) -> Line:
    """Breaches per second. `first_late_ms`: the worst round's first event; doubled and missed over all rounds."""
    began_with = load()
    codes = topics.agencies(stack.pack)
    ours, bare, first_late, doubled, missed = [], [], [], 0, 0
    for number in range(rounds):
        progress.step(f"Round {number + 1} of {rounds}: {deadlines} deadlines at one instant")
        seen, due = await _ours(stack, deadlines, codes)
        ours.append(deadlines / ((seen.last_ms - due.timestamp() * 1000) / 1000))
        first_late.append(seen.first_ms - due.timestamp() * 1000)
        doubled += sum(times - 1 for times in seen.breaches.values())
        missed += deadlines - len(seen.breaches)
        progress.step(f"Round {number + 1} of {rounds}: the bare loop")
        bare.append(deadlines / await _bare(stack, f"bench_burst_{number}", deadlines, codes))
    return line(
        "burst",
        "breaches/s",
        ours,
        bare,
        deadlines=deadlines,
        first_late_ms=round(max(first_late)),
        doubled=doubled,
        missed=missed,
        load=began_with,
    )


async def _ours(stack: Stack, deadlines: int, codes: list[str]) -> tuple[Seen, datetime]:
    db = await asyncpg.connect(stack.dsn("sla_monitor"))
    try:
        # Due far away first, then moved near, so that writing the rows is no part of the burst.
        ids = await _rows(db, deadlines, codes, datetime.now(UTC) + timedelta(days=365))
        reader = await asyncio.to_thread(_at_the_end, stack.kafka)
        due = await _move_near(db, ids, SETTING_UP * max(3, deadlines // 20_000))
        await db.execute("notify sla_monitor_ticker")
    finally:
        await db.close()
    return await asyncio.to_thread(_watch, reader, deadlines), due


async def _move_near(db: asyncpg.Connection, ids: list[Any], lead: timedelta) -> datetime:
    """Makes them all due at one instant, which must not be past when they are committed: on a busy machine it is later."""
    while True:
        due = datetime.now(UTC) + lead
        move = db.transaction()
        await move.start()
        await db.execute("update deadline set due_at = $1, next_fire_at = $1 where complaint_id = any($2)", due, ids)
        if datetime.now(UTC) + SETTING_UP < due:
            await move.commit()
            return due
        await move.rollback()
        lead *= 2


async def _rows(db: asyncpg.Connection, deadlines: int, codes: list[str], due: datetime) -> list[Any]:
    ids = [uuid4() for _ in range(deadlines)]
    start = due - timedelta(days=14)
    await db.copy_records_to_table(
        "deadline",
        records=[
            (c, "response", 0, "UU25-44-1", "1", "five-day/1", 1, codes[n % len(codes)], "running", start, due, due)
            for n, c in enumerate(ids)
        ],
        columns=(
            "complaint_id",
            "stage",
            "holder",
            "rule",
            "rule_version",
            "calendar",
            "deadline_version",
            "agency",
            "state",
            "started_at",
            "due_at",
            "next_fire_at",
        ),
    )
    await db.execute("analyze deadline")
    return ids


def _at_the_end(kafka: str) -> Consumer:
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "bench-burst", "enable.auto.commit": False})
    partitions = reader.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
    ends = [
        TopicPartition(TOPIC, p, reader.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=10)[1])
        for p in partitions
    ]
    reader.assign(ends)
    return reader


def _watch(reader: Consumer, deadlines: int) -> Seen:
    """Reads until every breach has been seen, and a second more for doubled ones."""
    seen: Counter[str] = Counter()
    stamps: list[int] = []
    began = perf_counter()
    while perf_counter() - began < PATIENCE:
        messages = reader.consume(5000, timeout=1.0)
        if not messages and len(seen) >= deadlines:
            break
        for message in messages:
            if message.error() is None:
                seen[(message.key() or b"").decode()] += 1
                stamps.append(message.timestamp()[1])
    reader.close()
    return Seen(seen, min(stamps, default=0), max(stamps, default=0))


async def _bare(stack: Stack, name: str, deadlines: int, codes: list[str]) -> float:
    dsn = await stack.create_database(name)
    await migrate(dsn, ("amanah_chassis", "amanah_sla_monitor"))
    db = await asyncpg.connect(dsn)
    producer = AIOKafkaProducer(**producer_settings(stack.kafka))
    await producer.start()
    try:
        now = datetime.now(UTC)
        await _rows(db, deadlines, codes, now)
        started = perf_counter()
        while await _claim_and_send(db, producer):
            pass
        return perf_counter() - started
    finally:
        await producer.stop()
        await db.close()


async def _claim_and_send(db: asyncpg.Connection, producer: AIOKafkaProducer) -> int:
    async with db.transaction():
        rows = await db.fetch(
            """
            with due as materialized (
                select complaint_id, stage, holder from deadline where next_fire_at <= clock_timestamp()
                order by next_fire_at limit $1 for update skip locked)
            update deadline d set state = 'breached', next_fire_at = null from due u
            where d.complaint_id = u.complaint_id and d.stage = u.stage and d.holder = u.holder
            returning d.complaint_id, d.stage, d.agency, d.rule, d.due_at
            """,
            CLAIM,
        )
        sends = []
        for row in rows:
            body = {name: str(value) for name, value in row.items()}
            key, value = body["complaint_id"].encode(), json.dumps(body).encode()
            headers = [("ce_type", b"deadline.breached.v1"), ("ce_id", str(uuid4()).encode())]
            sends += [
                await producer.send(topic, value, key=key, headers=headers)
                for topic in (TOPIC, f"amanah.agency.{row['agency']}", "amanah.ombudsman")
            ]
        await asyncio.gather(*sends)
    return len(rows)
