"""One consumer with its database effects: casework opening cases from `complaint.routed`, against a bare loop.

Ours is the service's own wiring: FastStream, decoding, positions, the handler, one transaction a batch, explicit offsets.
The bare loop does the same work by hand and promises nothing: it parses JSON, writes the same rows with the same statement
and a position for each, commits, commits offsets. Every round reads the same records into a database of its own.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer

from amanah.bench.fill import fill
from amanah.bench.lines import Line, line, load
from amanah.embedded.stack import Stack
from amanah.progress import Progress
from amanah_casework.app import SERVICE
from amanah_chassis import broker as brokers
from amanah_chassis import garbage
from amanah_chassis.batch import Origin
from amanah_chassis.chassis import Chassis
from amanah_chassis.consumer import Consumer
from amanah_chassis.database import migrate
from amanah_contracts.routing import ComplaintRouted

BATCH = 500
TOPIC = ComplaintRouted.topic
SOURCE = "amanah/routing"


async def consume(stack: Stack, events: int, rounds: int, progress: Progress) -> Line:
    """Events per second, from the first record in hand to the last commit."""
    began_with = load()
    garbage.tune()  # as a service does, and for both
    progress.step(f"Putting {events} events onto {TOPIC}")
    await asyncio.to_thread(fill, stack.kafka, TOPIC, SOURCE, _sample(), events)
    ours, bare = [], []
    for number in range(rounds):
        progress.step(f"Round {number + 1} of {rounds}: one consumer of casework")
        ours.append(events / await _round(stack, f"ours_{number}", events, _ours))
        progress.step(f"Round {number + 1} of {rounds}: the bare loop")
        bare.append(events / await _round(stack, f"bare_{number}", events, _bare))
    return line("consume", "events/s", ours, bare, events=events, batch=BATCH, load=began_with)


async def _round(stack: Stack, name: str, events: int, run: Callable[[str, str, str, int], Awaitable[float]]) -> float:
    dsn = await stack.create_database(f"bench_{name}")
    await migrate(dsn, ("amanah_chassis", "amanah_casework"))
    took = await run(stack.kafka, dsn, f"bench.{name}", events)
    db = await asyncpg.connect(dsn)
    try:
        cases, positions = (
            await db.fetchval('select count(*) from "case"'),
            await db.fetchval("select count(*) from chassis_position"),
        )
    finally:
        await db.close()
    if (cases, positions) != (events, events):
        raise AssertionError(f"{name}: {cases} cases and {positions} positions of {events} events")
    return took


async def _ours(kafka: str, dsn: str, group: str, events: int) -> float:
    settings = SERVICE.settings(kafka=kafka, database=dsn, batch_size=BATCH)
    applied, started, done = 0, 0.0, asyncio.get_running_loop().create_future()
    async with Chassis.open(settings, "bench") as chassis:
        consumer = Consumer(chassis, await SERVICE.make_context(chassis), SERVICE.registry, SERVICE.handlers())

        async def apply(records: Sequence[Origin]) -> None:
            nonlocal applied, started
            started = started or perf_counter()
            await consumer.apply(records)
            applied += len(records)
            if applied == events:
                done.set_result(perf_counter() - started)

        broker = brokers.make_broker(kafka)
        brokers.subscribe(
            broker, apply, done.set_exception, group=group, instance="0", topics=[TOPIC], batch_size=BATCH
        )
        await broker.start()
        try:
            return float(await done)
        finally:
            await broker.stop()


async def _bare(kafka: str, dsn: str, group: str, events: int) -> float:
    reader = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await reader.start()
    db = await asyncpg.connect(dsn)
    applied, started = 0, 0.0
    try:
        while applied < events:
            found = await reader.getmany(timeout_ms=1000, max_records=BATCH)
            started = started or perf_counter()
            records = [record for batch in found.values() for record in batch]
            if records:
                await _write(db, [json.loads(record.value) for record in records])
                await reader.commit()
                applied += len(records)
        return perf_counter() - started
    finally:
        await reader.stop()
        await db.close()


async def _write(db: asyncpg.Connection, bodies: list[dict[str, Any]]) -> None:
    subjects = [UUID(body["complaint_id"]) for body in bodies]
    async with db.transaction():
        await db.execute(
            """
            insert into "case" (complaint_id, agency, assignment, state, category, region, visibility, narrative,
                source_ref, submitted_at, assigned_at, changed_at)
            select u.*, clock_timestamp() from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[],
                $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[]) u
            on conflict do nothing
            """,
            subjects,
            [body["agency"] for body in bodies],
            [body["assignment"] for body in bodies],
            ["assigned"] * len(bodies),
            [body["category"] for body in bodies],
            [body.get("region") for body in bodies],
            [body["visibility"] for body in bodies],
            [body.get("narrative") for body in bodies],
            [body.get("source_ref") for body in bodies],
            [datetime.fromisoformat(body["submitted_at"]) for body in bodies],
            [datetime.fromisoformat(body["occurred_at"]) for body in bodies],
        )
        await db.execute(
            "insert into chassis_position (source, subject, seq) select $1, s, 1 from unnest($2::uuid[]) s"
            " on conflict do nothing",
            SOURCE,
            subjects,
        )


def _sample() -> ComplaintRouted:
    now = datetime.now(UTC)
    return ComplaintRouted(
        complaint_id=UUID(int=0),
        occurred_at=now,
        received_at=now,
        agency="dot",
        assignment=1,
        rule="street-light",
        explanation="Street lights are kept by the department of transportation.",
        category="Street Light Condition",
        region="BROOKLYN",
        narrative="The street light before the school has been dark for two weeks.",
        source_ref="bench",
        submitted_at=now,
        given_due_at=now + timedelta(days=10),
    )
