"""The ticker: sleeps until the earliest instant of any clock, then fires what has come due, batch by batch.

Handlers wake it, by a notification that Postgres delivers at commit, when they store an instant earlier than the one it
sleeps for. Time is the database's. Two tickers are harmless: each claims rows that the other does not hold, and the table
`fired` lets a breach be said once. After downtime the same code catches up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from time import monotonic

import asyncpg

from amanah_chassis.chassis import Chassis
from amanah_chassis.errors import TRANSIENT
from amanah_chassis.logs import logger
from amanah_sla_monitor import announce, metrics, store
from amanah_sla_monitor.monitor import Monitor, keeps_up

log = logger(__name__)

LONGEST_SLEEP = 2.0
"""Seconds. Bounds the lateness of an instant that another process stored and died before its ticker came to it."""
FIRST_BATCH = 32
STOOD_STILL = LONGEST_SLEEP + 2.0
"""Seconds without a look: a process that was frozen, or a database that was away."""
HELD_ROW_PAUSE = 0.005
"""Seconds before another look at rows that are due but held by a handler's transaction."""


async def run_ticker(monitor: Monitor, chassis: Chassis) -> None:
    """Runs until cancelled; waits out a database that is away."""
    metrics.SCAN_AGE.set_function(lambda: monotonic() - monitor.looked_at)
    pause = 0.05
    monitor.looked_at = monotonic()
    while True:
        try:
            async with _listening(monitor, chassis) as nudges:
                while not nudges.is_closed():
                    await _turn(monitor, chassis)
                    pause = 0.05
        except TRANSIENT as error:
            log.warning("ticker waits for the database", extra={"error": type(error).__name__})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
        monitor.fall_behind()  # whoever reads in this process had no database either


async def _turn(monitor: Monitor, chassis: Chassis) -> None:
    """One look: say what has come, else sleep until the next instant or a nudge."""
    monitor.asleep_until = None
    async with chassis.pool.acquire() as db:
        earliest, settled = await store.next_fire_at(db)
    _look(monitor)
    until = monitor.known_until
    if earliest is None or earliest > settled:
        monitor.asleep_until = earliest
        await chassis.clock.wait_until(earliest, monitor.wake, at_most=LONGEST_SLEEP)
    elif (until is None and not await keeps_up(monitor, chassis)) or (until is not None and earliest > until):
        await chassis.clock.wait_until(None, monitor.wake, at_most=LONGEST_SLEEP)  # until it has caught up
    elif not await _tick_on(monitor, chassis, until):
        await asyncio.sleep(HELD_ROW_PAUSE)


def _look(monitor: Monitor) -> None:
    """Who has not looked for so long stood still, and so did whoever reads in this process."""
    now = monotonic()
    if now - monitor.looked_at > STOOD_STILL:
        monitor.fall_behind()
    monitor.looked_at = now


async def _tick_on(monitor: Monitor, chassis: Chassis, until: datetime | None) -> bool:
    """Batch after batch while there are full ones; whether anything was said."""
    most: int = chassis.settings.ticker_batch
    limit = min(FIRST_BATCH, most)  # so that the first of many need not wait for the thousandth to be written
    first = said = await tick(chassis, limit, until)
    while said >= limit:
        monitor.looked_at = monotonic()
        limit = min(limit * 4, most)
        said = await tick(chassis, limit, until)
    return first > 0


async def tick(chassis: Chassis, limit: int, until: datetime | None = None) -> int:
    """Fires up to `limit` clocks with a mark that has come (`until` then, where it is given), in one transaction; answers
    how many marks it said."""
    async with chassis.transaction() as tx:
        come = tx.settled if until is None else min(tx.settled, until)
        fired = await store.fire_due(tx.db, come, tx.settled, limit)
        for mark in fired:
            tx.emit(announce.said(mark, tx.settled))
    if fired:
        metrics.observe(fired, tx.settled)
        log.info("marks said", extra={"count": len(fired)})
    return len(fired)


@asynccontextmanager
async def _listening(monitor: Monitor, chassis: Chassis) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own hears the nudges; when it is lost, the ticker is woken and connects anew."""
    db = await asyncpg.connect(chassis.settings.database)
    try:
        await db.add_listener("sla_monitor_ticker", lambda *_: monitor.wake.set())
        await db.add_listener("sla_monitor_behind", lambda *_: monitor.fall_behind())
        await db.add_listener("sla_monitor_law", lambda *_: monitor.law_applied.set())
        db.add_termination_listener(lambda _: monitor.wake.set())
        monitor.law_applied.set()  # it may have been applied while nobody listened
        monitor.wake.set()
        yield db
    finally:
        with suppress(*TRANSIENT):
            await db.close(timeout=2)
