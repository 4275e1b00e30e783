"""Positions beside an inbox, on a real Postgres: `uv run python docs/decisions/0001_measure.py DSN` (a scratch database).

Both do what a consumer does in each transaction: tell what is new and remember it. Batches of 500, committed one by one.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from amanah_chassis import positions
from amanah_chassis.database import migrate

COMPLAINTS, EVENTS_EACH, BATCH, ROUNDS = 20_000, 10, 500, 3
SOURCE = "amanah.source"

Record = tuple[UUID, UUID, int]
"""Event id, complaint, seq."""


async def by_positions(db: asyncpg.Connection, batch: Sequence[Record]) -> int:
    """How many were new."""
    streams = {(SOURCE, complaint) for _, complaint, _ in batch}
    before = await positions.load(db, streams)
    after = dict(before)
    for _, complaint, seq in batch:
        stream = (SOURCE, complaint)
        if seq == after.get(stream, 0) + 1:
            after[stream] = seq
    await positions.advance(db, before, after)
    return sum(after[stream] - before.get(stream, 0) for stream in after)


async def by_inbox(db: asyncpg.Connection, batch: Sequence[Record]) -> int:
    """How many were new."""
    rows = await db.fetch(
        "insert into inbox select unnest($1::uuid[]) on conflict do nothing returning event_id",
        [event_id for event_id, _, _ in batch],
    )
    return len(rows)


WAYS: dict[str, tuple[str, Callable[[asyncpg.Connection, Sequence[Record]], Awaitable[int]]]] = {
    "positions": ("chassis_position", by_positions),
    "inbox": ("inbox", by_inbox),
}


async def main(dsn: str) -> None:
    await migrate(dsn, ("amanah_chassis",))
    db = await asyncpg.connect(dsn)
    await db.execute("create table if not exists inbox (event_id uuid primary key)")
    complaints = [uuid7() for _ in range(COMPLAINTS)]
    records = [(uuid7(), complaint, seq + 1) for seq in range(EVENTS_EACH) for complaint in complaints]
    first: dict[str, list[float]] = {name: [] for name in WAYS}
    again: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, (table, way) in WAYS.items():
            await db.execute(f"truncate {table}")
            first[name].append(await _rate(db, way, records, len(records)))
            again[name].append(await _rate(db, way, records, 0))
    for name, (table, _) in WAYS.items():
        await db.execute(f"vacuum full {table}")
        size = await db.fetchval("select pg_total_relation_size($1::regclass)", table)
        sys.stdout.write(
            f"{name:<10} {median(first[name]):>9,.0f} events/s new, {median(again[name]):>9,.0f} events/s repeated,"
            f" {size / 1e6:.1f} MB\n"
        )
    await db.close()


async def _rate(
    db: asyncpg.Connection,
    way: Callable[[asyncpg.Connection, Sequence[Record]], Awaitable[int]],
    records: Sequence[Record],
    expected: int,
) -> float:
    new, started = 0, perf_counter()
    for at in range(0, len(records), BATCH):
        async with db.transaction():
            new += await way(db, records[at : at + BATCH])
    took = perf_counter() - started
    if new != expected:
        raise AssertionError(f"{new} of {expected} were new")
    return len(records) / took


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
