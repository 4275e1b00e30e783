"""Catches a service between two of its steps without a hook in its code: a table is locked from outside, so that the
statement behind which the fault must strike waits, and PostgreSQL says that it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg

from amanah.embedded.stack import Stack

SHORTEST_LOOK = 0.4
"""Seconds that a lock is held in the hope that somebody runs into it."""


class Trap:
    """A table of one service that can be read and not written while it is set."""

    def __init__(self, db: "asyncpg.Connection[Any]", watch: "asyncpg.Connection[Any]", table: str) -> None:
        self._db = db
        self._watch = watch
        self._table = table
        self._lock: Any = None

    async def set(self) -> None:
        """Returns once it holds: whoever was writing has committed, whoever comes waits."""
        self._lock = self._db.transaction()
        await self._lock.start()
        await self._db.execute(f"lock table {self._table} in share mode")

    async def release(self) -> None:
        if self._lock is not None:
            lock, self._lock = self._lock, None
            await lock.rollback()

    async def caught(self, statement: str) -> int | None:
        """The backend that waits for the lock in a statement that holds this text."""
        found: int | None = await self._watch.fetchval(
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            " and position($1 in query) > 0 and pid <> $2 limit 1",
            statement,
            self._db.get_server_pid(),
        )
        return found

    async def state(self, backend: int) -> str | None:
        """`active`, `idle in transaction`, `idle` …; None when it is gone."""
        found: str | None = await self._watch.fetchval("select state from pg_stat_activity where pid = $1", backend)
        return found

    async def abort(self, backend: int) -> None:
        """Ends a backend whose client is dead: it would not know, and carry its statement out all the same."""
        await self._watch.execute("select pg_terminate_backend($1)", backend)
        while await self.state(backend) is not None:
            await asyncio.sleep(0.01)

    async def catch(self, statement: str, patience: float = 20.0) -> int | None:
        """Sets the trap again and again until somebody runs into it; the trap is then still set. None: nobody came."""
        deadline = monotonic() + patience
        while monotonic() < deadline:
            await self.set()
            look = monotonic() + SHORTEST_LOOK
            while monotonic() < look:
                if backend := await self.caught(statement):
                    return backend
            await self.release()
        return None


@asynccontextmanager
async def trap(stack: Stack, service: str, table: str) -> AsyncIterator[Trap]:
    """A trap, not yet set, on one table of a service's database."""
    dsn = stack.admin_dsn(f"amanah_{service}")
    db, watch = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    made = Trap(db, watch, table)
    try:
        yield made
    finally:
        await made.release()
        await db.close()
        await watch.close()
