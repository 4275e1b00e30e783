"""The cases of `bench recalculate`: some hundreds by the engine itself, and very many copies of each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from amanah.bench.recalculate_figures import Case
from amanah.bench.recalculate_law import Start, facts
from amanah.progress import Progress
from amanah_chassis import outbox
from amanah_chassis.batch import Transaction
from amanah_sla_monitor import announce, store, telling
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.law import Law

CHUNK = 20_000
ALL_MARKS = 100_000
"""More than some hundreds of cases have."""


async def templates(db: asyncpg.Connection, law: Law, starts: Iterable[Start], now: datetime) -> list[Case]:
    """Cases as handlers and ticker would have left them: each fact folded at its own instant, and what was to be warned of
    since then said."""
    known: list[UUID] = []
    for start in starts:
        known.append(uuid7())
        for fact in facts(start):
            await receive(db, law, {known[-1]: fact}, fact.received_at)
    await _tick(db, now)
    return await read(db, known)


async def read(db: asyncpg.Connection, cases: Sequence[UUID]) -> list[Case]:
    """What the tables have of some."""
    told = await store.deadlines(db, cases, lock=False)
    return [Case(case, await store.facts_of(db, case) or (), told[case]) for case in cases]


async def receive(db: asyncpg.Connection, law: Law, new: Mapping[UUID, Fact], now: datetime) -> None:
    """One fact of each case, as handlers take it."""
    async with db.transaction():
        tx = Transaction(db, now, now, now)
        casefiles = await store.add_facts(db, new)
        told = await store.deadlines(db, new, lock=True)
        difference = telling.decide(tx, law, {case: casefiles[case].facts for case in new}, told)
        await telling.record(tx, difference)
        await outbox.write(db, tx.emitted, now)


async def _tick(db: asyncpg.Connection, now: datetime) -> None:
    async with db.transaction():
        said = [(announce.said(mark, now), None) for mark in await store.fire_due(db, now, now, ALL_MARKS)]
        await outbox.write(db, said, now)
        await db.execute("truncate chassis_outbox")  # all of it has been sent long ago


async def copy(db: asyncpg.Connection, originals: Sequence[UUID], count: int, progress: Progress) -> list[list[UUID]]:
    """So many copies, of the originals in turn, in their place; answers the copies of each. Identifiers ascend in time, like
    intake's."""
    copies: list[list[UUID]] = [[] for _ in originals]
    inserts = [await _set_aside(db, table, key) for table, key in _TABLES.items()]
    with progress.bar(f"Copying {count:,} cases", count) as advance:
        for done in range(0, count, CHUNK):
            ids = [uuid7() for _ in range(min(CHUNK, count - done))]
            for n, case in enumerate(ids, done):
                copies[n % len(originals)].append(case)
            models = [originals[n % len(originals)] for n in range(done, done + len(ids))]
            for insert in inserts:
                await db.execute(insert, ids, models, timeout=300)
            advance(len(ids))
    return copies


_TABLES = {"casefile": "complaint_id", "deadline": "complaint_id", "fired": "complaint_id", "chassis_stream": "subject"}


async def _set_aside(db: asyncpg.Connection, table: str, key: str) -> str:
    """Empties a table; answers the statement that fills it with copies of what was there: $1 their ids, $2 their models."""
    rows = await db.fetch(
        "select column_name from information_schema.columns where table_name = $1 and column_name <> $2", table, key
    )
    columns = ", ".join(row[0] for row in rows)
    await db.execute(f"create temporary table model_{table} as table {table}; truncate {table}")
    await db.execute(f"create index on model_{table} ({key}); analyze model_{table}")
    return (
        f"insert into {table} ({key}, {columns}) select id, {columns}"  # noqa: S608 - names of our own tables
        f" from unnest($1::uuid[], $2::uuid[]) with ordinality u (id, model, n) join model_{table} on {key} = model"
        " order by n"
    )
