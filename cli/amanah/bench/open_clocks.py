"""Very many clocks that are open and not due, as years of complaints would leave them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from uuid_utils.compat import uuid7

from amanah.fault import Fault
from amanah.progress import Progress

CHUNK = 100_000
CLOCKS_OF_A_CASE = 4
BYTES_OF_A_CLOCK = 300
"""Of disk, with its share of the indexes (measured: 255)."""
ROOM = 2 * 2**30
"""Bytes for PostgreSQL's log (1 GB), for Kafka and to spare."""


def disk_needed(clocks: int) -> int:
    """Bytes."""
    return clocks * BYTES_OF_A_CLOCK + ROOM


async def require_disk(db: asyncpg.Connection, clocks: int) -> None:
    """Fault when the server's disk has no room for so many; `db` is the superuser's. A server elsewhere is taken at its
    word."""
    folder = Path(await db.fetchval("show data_directory"))
    if folder.exists() and (free := shutil.disk_usage(folder).free) < (need := disk_needed(clocks)):
        raise Fault(f"{clocks:,} open clocks need {need / 1e9:.1f} GB of disk; {folder} has {free / 1e9:.1f} GB free.")


async def fill(db: asyncpg.Connection, clocks: int, agencies: Sequence[str], progress: Progress) -> None:
    """So many rows: two stages for each of two holders, due from 60 days to some 5 years from now, in the order of filing
    but for the terms' lengths, as complaints come. Identifiers ascend in time, like intake's. The indexes are there
    throughout."""
    for done in range(0, clocks, CHUNK):
        if done % 1_000_000 == 0:
            progress.step(f"Opening clocks: {done:,} of {clocks:,}")
        cases = min(CHUNK, clocks - done) // CLOCKS_OF_A_CASE
        await db.execute(
            _INSERT, [uuid7() for _ in range(cases)], list(agencies), done / clocks, cases / clocks, timeout=300
        )


_INSERT = """
    insert into deadline (complaint_id, stage, holder, rule, rule_version, calendar, deadline_version, agency, state,
                          started_at, due_at, next_fire_at)
    select c.id, s.stage, s.holder, 'UU25-44-1', '1', 'five-day/1', 1, ($2::text[])[1 + c.n % cardinality($2::text[])],
           'running', filed, filed + s.term, filed + s.term
    from unnest($1::uuid[]) with ordinality c (id, n)
    cross join lateral (select now() + interval '60 days' + interval '5 years'
        * ($3::float8 + $4::float8 * c.n / cardinality($1::uuid[]))) f (filed)
    cross join (values ('acknowledgement', 0, interval '3 days'), ('acknowledgement', 1, interval '5 days'),
                       ('response', 0, interval '14 days'), ('response', 1, interval '60 days')) s (stage, holder, term)
    """


async def rest(db: asyncpg.Connection) -> None:
    """Brings the tables to rest: vacuumed, analysed and written out, as a running deployment's are. `db` is the superuser's,
    in the service's database."""
    await db.execute("vacuum (analyze)", timeout=None)
    await db.execute("checkpoint", timeout=None)
