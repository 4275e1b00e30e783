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
    """A lock into which a service runs while it is set."""

    def __init__(self, db: "asyncpg.Connection[Any]", watch: "asyncpg.Connection[Any]", take: str) -> None:
        self._db = db
        self._watch = watch
        self._take = take
        self._lock: Any = None

    async def set(self) -> None:
        """Returns once it holds: whoever was writing has committed, whoever comes waits."""
        self._lock = self._db.transaction()
        await self._lock.start()
        await self._db.execute(self._take)

    async def release(self) -> None:
        if self._lock is not None:
            lock, self._lock = self._lock, None
            await lock.rollback()

    async def caught(self, statement: str, of: str | None = None) -> int | None:
        """The backend that waits for the lock in a statement with this text; `of`: whose connection is named so."""
        found: int | None = await self._watch.fetchval(
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            " and position($1 in query) > 0 and pid <> $2 and ($3::text is null or application_name = $3) limit 1",
            statement,
            self._db.get_server_pid(),
            of,
        )
        return found

    async def state(self, backend: int) -> str | None:
        """`active`, `idle in transaction`, `idle` …; None when it is gone."""
        found: str | None = await self._watch.fetchval("select state from pg_stat_activity where pid = $1", backend)
        return found

    async def close_circle(self, table: str) -> bool:
        """Asks for a table that whoever is caught has written to: each then waits for the other. PostgreSQL ends
        the one that has waited for a second first, and that is not us. Answers whether it was so."""
        try:
            await self._db.execute(f"lock table {table} in share mode")
        except asyncpg.DeadlockDetectedError:
            return False
        return True

    async def abort(self, backend: int) -> None:
        """Ends a backend whose client is dead: it would not know, and carry its statement out all the same."""
        await self._watch.execute("select pg_terminate_backend($1)", backend)
        while await self.state(backend) is not None:
            await asyncio.sleep(0.01)

    async def catch(self, statement: str, patience: float = 20.0, of: str | None = None) -> int | None:
        """Sets the trap again and again until somebody (`of`: whose connection has this name) runs into it; the trap is then
        still set. None: nobody came."""
        deadline = monotonic() + patience
        while monotonic() < deadline:
            await self.set()
            look = monotonic() + SHORTEST_LOOK
            while monotonic() < look:
                if backend := await self.caught(statement, of):
                    return backend
            await self.release()
        return None


@asynccontextmanager
async def commit_trap(stack: Stack, service: str, table: str) -> AsyncIterator[Trap]:
    """A trap, not yet set, in the COMMIT of each transaction that has written to a table: by a trigger which runs there, and
    which the lab adds to its own deployment and takes away again."""
    db = await asyncpg.connect(stack.admin_dsn(f"amanah_{service}"))
    try:
        await db.execute(_HELD.format(key=KEY, table=table))
        async with _trap(stack, service, f"select pg_advisory_xact_lock({KEY})") as made:
            yield made
    finally:
        await db.execute("drop function fault_lab_hold cascade")
        await db.close()


KEY = 4_700_471
_HELD = """
    create function fault_lab_hold() returns trigger language plpgsql as $$
    begin
        perform pg_advisory_xact_lock_shared({key});
        return null;
    end $$;
    create constraint trigger fault_lab_hold after insert or update on {table}
        deferrable initially deferred for each row execute function fault_lab_hold()
    """


@asynccontextmanager
async def trap(stack: Stack, service: str, table: str) -> AsyncIterator[Trap]:
    """A trap, not yet set, on one table of a service's database: it can then be read and not written."""
    async with _trap(stack, service, f"lock table {table} in share mode") as made:
        yield made


@asynccontextmanager
async def _trap(stack: Stack, service: str, take: str) -> AsyncIterator[Trap]:
    dsn = stack.admin_dsn(f"amanah_{service}")
    db, watch = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    made = Trap(db, watch, take)
    try:
        yield made
    finally:
        await made.release()
        await db.close()
        await watch.close()
