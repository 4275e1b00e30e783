"""The only clock. Its hands are in the database, so that a drifting machine decides nothing; it may be virtual."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the clock, UTC-aware. Live, all are the same; see `chassis_clock` for a virtual one."""

    now: datetime
    settled: datetime
    real: datetime
    """The database server's own time: for patience and retries, never for a deadline."""


class Clock:
    """Reads `chassis_now()`; sleeps until an instant or a nudge."""

    def __init__(self, pool: asyncpg.Pool, dsn: str, rate: float | None) -> None:
        self._pool = pool
        self._dsn = dsn
        self.virtual = rate is not None
        self._rate = 1.0 if rate is None else rate
        self._stepped = asyncio.Event()
        self._listener: asyncpg.Connection | None = None

    @classmethod
    async def open(cls, pool: asyncpg.Pool, dsn: str) -> "Clock":
        """Finds out once whether this deployment is virtual: it cannot become so later."""
        return cls(pool, dsn, await pool.fetchval("select rate from chassis_clock order by real_from desc limit 1"))

    async def read(self, db: Any = None) -> Reading:
        """Now, as the database has it; within a transaction give its connection."""
        [row] = await (db or self._pool).fetch("select chassis_now(), chassis_settled(), clock_timestamp()")
        return Reading(*row)

    async def at(self, db: Any, instants: list[datetime]) -> list[datetime]:
        """Translates real instants, such as a broker's LogAppendTime, into this deployment's time."""
        if not self.virtual:
            return instants
        rows = await db.fetch(
            "select chassis_at(t) from unnest($1::timestamptz[]) with ordinality u(t, n) order by n", instants
        )
        return [row[0] for row in rows]

    async def wait_until(self, instant: datetime | None, wake: asyncio.Event, at_most: float = 60.0) -> None:
        """Returns when settled time has reached `instant`, when `wake` is set (and clears it), when a virtual clock was
        stepped, or after `at_most` seconds."""
        if self.virtual:
            await self._listen()
        delay = at_most
        if instant is not None:
            lead = (instant - (await self.read()).settled) / timedelta(seconds=1)
            if lead <= 0:
                return
            if self._rate > 0:
                delay = min(delay, lead / self._rate)
        await _first_of(delay, wake, self._stepped)

    async def _listen(self) -> None:
        if self._listener is not None and not self._listener.is_closed():
            return
        self._listener = await asyncpg.connect(self._dsn)
        await self._listener.add_listener("chassis_clock", lambda *_: self._stepped.set())
        self._stepped.set()

    async def close(self) -> None:
        if self._listener is not None:
            await self._listener.close(timeout=2)


async def _first_of(delay: float, *events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with suppress(asyncio.CancelledError):
                await wait
    for event in events:
        event.clear()
