"""What has served its term is deleted: in the background, a small portion at a time, and nobody waits for it.

Which rows may go, and what promise each of the others keeps, is in docs/retention.md. A rule deletes nothing that somebody
may still write to, so no lock of it is ever waited for: an event that is not sent, a dead letter that waits and a record
that is set aside stay, however old they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg

from amanah_chassis import metrics
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection, connection
from amanah_chassis.errors import TRANSIENT
from amanah_chassis.logs import logger
from amanah_chassis.settings import ChassisSettings

log = logger(__name__)

PORTION = 1000
"""Rows looked at in one statement: a few milliseconds."""
SHORTEST_PAUSE = 0.05


class Portion(NamedTuple):
    """What one statement came to."""

    deleted: int
    last: Any
    """Where the next portion goes on; None when there is nothing more to look at."""


@dataclass(frozen=True)
class Rule:
    """One table's rows after their term. `portion(db, term, last, limit)` looks at up to `limit` rows after `last`, which is
    None at the beginning of a walk, and deletes those that may go, in one statement."""

    table: str
    term: timedelta
    portion: Callable[[Connection, timedelta, Any, int], Awaitable[Portion]]


def of_chassis(settings: ChassisSettings) -> tuple[Rule, ...]:
    """The rules for the tables that every service has. Numbers of streams, positions and parked records have no term."""
    return (
        Rule("chassis_outbox", timedelta(days=settings.outbox_days), sent_events),
        Rule("chassis_dead_letter", timedelta(days=settings.dead_letter_days), settled_letters),
    )


async def run(chassis: Chassis, rules: Sequence[Rule]) -> None:
    """Runs until cancelled: a walk for each rule, at start and then every `prune_seconds`. Waits out a database that is
    away."""
    while True:
        for rule in rules:
            try:
                await prune(chassis.pool, rule)
            except TRANSIENT as error:
                log.warning("pruning waits", extra={"table": rule.table, "error": type(error).__name__})
        await asyncio.sleep(chassis.settings.prune_seconds)


async def prune(pool: asyncpg.Pool, rule: Rule) -> int:
    """One walk; answers how many rows are gone. At least half of the time the database has for others."""
    loop, last, gone = asyncio.get_running_loop(), None, 0
    while True:
        began = loop.time()
        async with connection(pool) as db:
            deleted, last = await rule.portion(db, rule.term, last, PORTION)
        metrics.PRUNED.labels(rule.table).inc(deleted)
        gone += deleted
        if last is None:
            break
        await asyncio.sleep(max(SHORTEST_PAUSE, loop.time() - began))
    if gone:
        log.info("rows past their term are deleted", extra={"table": rule.table, "rows": gone})
    return gone


async def sent_events(db: Connection, term: timedelta, last: int | None, limit: int) -> Portion:
    """Events that were written and sent longer ago than the term. Written: by the deployment's own clock. Sent: in real
    time, for so the topics count how long they keep them, also where the clock is virtual.

    It walks by the primary key, the oldest first, and ends at the first that was written within the term, so it needs no
    index that every sending would have to pay for. `chassis_pruned` says in the same commit how far it has come."""
    [row] = await db.fetch(
        """
        with seen as materialized (
            select id, created_at, sent_at from chassis_outbox where id > $1 order by id limit $2
        ), gone as (
            delete from chassis_outbox o using seen s
            where o.id = s.id and s.created_at < (select chassis_now() - $3::interval)
              and s.sent_at < statement_timestamp() - $3::interval
            returning o.sent_at
        ), noted as (
            insert into chassis_pruned (what, up_to) select 'chassis_outbox', max(sent_at) from gone having count(*) > 0
            on conflict (what) do update set up_to = greatest(chassis_pruned.up_to, excluded.up_to)
        )
        select (select count(*) from gone),
               count(*) = $2 and max(created_at) < (select chassis_now() - $3::interval),
               max(id)
        from seen
        """,
        last or 0,
        limit,
        term,
    )
    deleted, goes_on, highest = row
    return Portion(deleted, highest if goes_on else None)


async def settled_letters(db: Connection, term: timedelta, _: Any, limit: int) -> Portion:
    """Dead letters that were replayed or given up longer ago than the term, and whose topic no longer has the record: read
    again, it would be buried again, and called to somebody's notice a second time."""
    done = await db.execute(
        """
        delete from chassis_dead_letter where id in (
            select id from chassis_dead_letter
            where replayed_at < (select chassis_now() - $1::interval) and appended_at < statement_timestamp() - $1::interval
            order by replayed_at limit $2
        )
        """,
        term,
        limit,
    )
    deleted = int(done.rpartition(" ")[2])
    return Portion(deleted, deleted or None if deleted == limit else None)
