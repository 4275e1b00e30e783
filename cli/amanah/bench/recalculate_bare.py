"""The bare loop of `bench recalculate`: the same rows in the same number of transactions, by hand, in one process.

It reads no fact, folds nothing and knows no law: the new dates lie ready in memory, by agency, stage and start. It promises
nothing: no difference is looked for, so a second run would move everything again; no handler is kept from folding by the old
law, nothing is numbered by a stream (each record says 1), and no ticker, no relay and no Kafka are at work beside it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg

from amanah_contracts.sla_monitor import DeadlineRecalculated

BATCH = 1000

Ground = tuple[str, str, datetime]
"""Agency, stage and start."""


class Date(NamedTuple):
    """A clock under the new law."""

    calendar: str | None
    deadline_version: int
    due_at: datetime | None
    next_fire_at: datetime | None
    marks: str | None


_READ = """
    select complaint_id, stage, holder, agency, started_at, deadline_version, due_at from deadline
    where complaint_id > $1 and state = 'running' order by complaint_id, stage, holder limit $2 for update
    """
_WRITE = """
    update deadline d
    set calendar = n, deadline_version = v, due_at = t, next_fire_at = f, marks = m
    from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::int[], $6::timestamptz[], $7::timestamptz[],
                $8::jsonb[]) u (c, s, h, n, v, t, f, m)
    where d.complaint_id = c and d.stage = s and d.holder = h
    """


async def run(dsn: str, dates: Mapping[Ground, Date]) -> float:
    """Seconds."""
    db = await asyncpg.connect(dsn)
    try:
        began, after = perf_counter(), UUID(int=0)
        while (last := await _batch(db, after, dates)) is not None:
            after = last
        return perf_counter() - began
    finally:
        await db.close()


async def _batch(db: asyncpg.Connection, after: UUID, dates: Mapping[Ground, Date]) -> UUID | None:
    """Two clocks a case, so a batch ends with a whole case."""
    async with db.transaction():
        rows = await db.fetch(_READ, after, 2 * BATCH)
        if not rows:
            return None
        new = [dates[row["agency"], row["stage"], row["started_at"]] for row in rows]
        keys = [[row[n] for row in rows] for n in range(3)]
        await db.execute(_WRITE, *keys, *map(list, zip(*new, strict=True)))
        records = [
            record
            for row, date in zip(rows, new, strict=True)
            if date.due_at != row["due_at"]
            for record in _records(row, date)
        ]
        await db.copy_records_to_table(
            "chassis_outbox",
            records=records,
            columns=("event_id", "topic", "subject", "type", "seq", "value", "created_at"),
        )
    last: UUID = rows[-1]["complaint_id"]
    return last


def _records(row: asyncpg.Record, date: Date) -> list[tuple[Any, ...]]:
    body = {name: str(value) for name, value in row.items()} | {
        "new": str(date.due_at),
        "version": date.deadline_version,
    }
    value, event, now = json.dumps(body).encode(), uuid4(), datetime.now(UTC)
    type_ = DeadlineRecalculated.type()
    return [
        (event, topic, row["complaint_id"], type_, 1, value, now)
        for topic in (DeadlineRecalculated.topic, f"amanah.agency.{row['agency']}")
    ]
