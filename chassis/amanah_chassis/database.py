"""The service's own Postgres: pool and migrations."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from amanah_chassis.errors import DatabaseAway, Misconfigured
from amanah_chassis.logs import logger

log = logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""A connection of one's own, or one lent by the pool."""

Querier: TypeAlias = "Connection | asyncpg.Pool[asyncpg.Record]"
"""Whatever one statement outside a transaction may be sent through."""


LIMITS = {
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    # A frozen process gives up what it holds: rows that it claimed and did not commit are then anybody's.
    "idle_in_transaction_session_timeout": "15s",
}
"""How long a session may wait for a lock, work at a statement, and hold a transaction without a word."""


class _Unsoiled(asyncpg.Connection):  # type: ignore[misc, unused-ignore]
    """Nobody leaves anything behind in a pooled session (whoever listens or locks has a connection of its own), so the
    round trip that would clean it on every return is saved."""

    def get_reset_query(self) -> str:
        return ""


async def open_pool(dsn: str, size: int) -> asyncpg.Pool:
    """Connections within LIMITS: rather than hang, they fail, and whoever used them begins anew."""
    return await asyncpg.create_pool(
        dsn,
        connection_class=_Unsoiled,
        min_size=1,
        max_size=size,
        server_settings={**LIMITS, "timezone": "UTC"},
    )


@asynccontextmanager
async def connection(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Lends a connection; DatabaseAway when Postgres refuses one, so that no record is blamed for it."""
    try:
        lent = await pool.acquire()
    except asyncpg.PostgresError as refused:
        raise DatabaseAway(type(refused).__name__) from refused
    try:
        yield lent
    finally:
        await pool.release(lent)


async def migrate(dsn: str, packages: Iterable[str]) -> list[str]:
    """Applies, in order of package and name, every `migrations/*.sql` not yet applied; answers what it applied.

    Safe to call from several processes at once. Raises Misconfigured when a migration that was applied has changed since,
    or when the database has migrations that this release does not know: then an older release must not touch it.
    """
    db = await asyncpg.connect(dsn)
    try:
        # A migration waits at most 4 s for a lock: a queue behind it would stop the release that is still running.
        await db.execute("set lock_timeout = '4s'")
        async with db.transaction():
            await db.execute("select pg_advisory_xact_lock(hashtext('chassis_migration'))")
            await db.execute(
                "create table if not exists chassis_migration"
                " (name text primary key, sha256 text not null, applied_at timestamptz not null default clock_timestamp())"
            )
            applied = {
                row["name"]: row["sha256"] for row in await db.fetch("select name, sha256 from chassis_migration")
            }
            return await _apply_missing(db, applied, _migrations(packages))
    finally:
        await db.close()


def _migrations(packages: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        folder = resources.files(package) / "migrations"
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name.endswith(".sql"):
                found[f"{package}/{file.name}"] = file.read_text()
    return found


async def _apply_missing(db: asyncpg.Connection, applied: dict[str, str], known: dict[str, str]) -> list[str]:
    if unknown := sorted(set(applied) - set(known)):
        raise Misconfigured(
            f"The database is newer than this release: it has {', '.join(unknown)}. Deploy the newer release."
        )
    done = []
    for name, sql in known.items():
        sha256 = hashlib.sha256(sql.encode()).hexdigest()
        if name in applied:
            if applied[name] != sha256:
                raise Misconfigured(f"Migration {name} has changed since it was applied; write a new one instead.")
            continue
        await db.execute(sql)
        await db.execute("insert into chassis_migration (name, sha256) values ($1, $2)", name, sha256)
        log.info("migrated", extra={"migration": name})
        done.append(name)
    return done
