"""Every SQL statement of the second pair of eyes. It reads the monitor's tables with statements of its own."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from amanah_chassis.database import Connection
from amanah_chassis.retention import Portion
from amanah_sla_monitor.reconciler.compare import Gap

FIRST = UUID(int=0)
NO_INSTANT = datetime(1900, 1, 1, tzinfo=UTC)
"""Stands for the due instant where a difference has none."""
REMEMBERED = timedelta(days=30)
"""How long a ticker that is gone is remembered."""


class Look(NamedTuple):
    """The stretch of due instants that a look recounts, (since, until], and where its patrol goes on."""

    since: datetime
    until: datetime
    patrolled: UUID


class Case(NamedTuple):
    """What one statement saw of a case, so that facts and breaches are of one moment."""

    complaint_id: UUID
    facts: list[dict[str, Any]]
    clocks: list[dict[str, Any]]
    said: list[dict[str, Any]]


async def begin(db: Connection, settled: datetime, every: float) -> Look | None:
    """Takes the look that the previous one left: up to where time was settled then, so that each deadline has had a whole
    interval to be said. None: the last look was less than `every` seconds ago, by whichever process, or this is the first.
    A process that dies over its look leaves it to the next one."""
    row = await db.fetchrow(
        """
        update reconciled set looked_at = clock_timestamp()
        where looked_at <= clock_timestamp() - make_interval(secs => $1)
        returning since, settled, patrolled
        """,
        every,
    )
    if row is None:
        await db.execute(
            "insert into reconciled (since, settled, looked_at) values ($1, $1, clock_timestamp()) on conflict do nothing",
            settled,
        )
        return None
    return Look(*row)


async def end(db: Connection, look: Look, settled: datetime, patrolled: UUID) -> None:
    """The next look recounts what fell due since."""
    await db.execute(
        "update reconciled set since = $1, settled = $2, patrolled = $3 where settled = $1",
        look.until,
        settled,
        patrolled,
    )


async def touched(db: Connection, look: Look) -> list[UUID]:
    """Cases with a breach said, a clock ended or a clock still waiting for the ticker, of a deadline of this stretch."""
    rows = await db.fetch(
        """
        select complaint_id from fired where detected_at > $1 and detected_at <= $2 and threshold = 'due'
        union
        select complaint_id from deadline where state in ('met', 'cancelled') and due_at > $1 and due_at <= $2
        union
        select complaint_id from deadline where next_fire_at <= $2
        """,
        look.since,
        look.until,
    )
    return [row[0] for row in rows]


async def patrol(db: Connection, after: UUID, limit: int) -> list[UUID]:
    """The next case files, whatever the monitor thinks of them: what it has never noticed is found here."""
    rows = await db.fetch(
        "select complaint_id from casefile where complaint_id > $1 order by complaint_id limit $2", after, limit
    )
    return [row[0] for row in rows]


async def cases(db: Connection, complaint_ids: Sequence[UUID]) -> list[Case]:
    rows = await db.fetch(
        """
        select c.complaint_id, c.facts,
               (select coalesce(jsonb_agg(to_jsonb(d)), '[]') from deadline d where d.complaint_id = c.complaint_id),
               (select coalesce(jsonb_agg(to_jsonb(f)), '[]') from fired f
                where f.complaint_id = c.complaint_id and f.threshold = 'due' and f.withdrawn_at is null)
        from casefile c where c.complaint_id = any($1)
        """,
        list(complaint_ids),
    )
    return [Case(row[0], *(json.loads(value) for value in row[1:])) for row in rows]


async def publish(db: Connection, found: Sequence[tuple[UUID, Gap]], now: datetime) -> list[tuple[UUID, Gap]]:
    """Takes the right to say each difference; answers those that nobody has said before."""
    keys = {_key(complaint_id, gap): (complaint_id, gap) for complaint_id, gap in found}
    rows = await db.fetch(
        """
        insert into published_gap (complaint_id, reason, stage, holder, due_at, published_at)
        select *, $6 from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::timestamptz[])
        on conflict do nothing
        returning complaint_id, reason, stage, holder, due_at
        """,
        *(list(column) for column in zip(*keys, strict=True)),
        now,
    )
    return [keys[tuple(row)] for row in rows]


def _key(complaint_id: UUID, gap: Gap) -> tuple[UUID, str, str, int, datetime]:
    due = gap.recounted_due_at or gap.said_due_at or NO_INSTANT
    return complaint_id, gap.reason.value, gap.stage or "", gap.holder or 0, due.astimezone(UTC)


async def beat(db: Connection, ticker: str, silent: float) -> None:
    """Notes that this ticker looked so many seconds ago."""
    await db.execute(
        """
        insert into heartbeat (ticker, at) values ($1, clock_timestamp() - make_interval(secs => $2))
        on conflict (ticker) do update set at = excluded.at where heartbeat.at < excluded.at
        """,
        ticker,
        silent,
    )


async def last_beat(db: Connection) -> float | None:
    """Seconds since any ticker of this deployment has looked; None: none ever has."""
    silent: float | None = await db.fetchval(
        "select extract(epoch from clock_timestamp() - max(at))::float8 from heartbeat"
    )
    return silent


async def forget_tickers(db: Connection, term: timedelta, _: Any, limit: int) -> Portion:
    """Forgets tickers that have been silent for the term; never the one that looked last, by which silence is measured."""
    done = await db.execute(
        """
        delete from heartbeat where ticker in (
            select ticker from heartbeat
            where at < clock_timestamp() - $1::interval and at < (select max(at) from heartbeat) limit $2
        )
        """,
        term,
        limit,
    )
    return Portion(int(done.rpartition(" ")[2]), None)
