"""One PostgreSQL for the whole run, with a schema for each service, and hands of its clock that only a test moves.

Every `clock_timestamp()` and `statement_timestamp()` of the services' SQL finds, by the search path, a function of the
schema `sim` before the server's own: so `chassis_now()`, patience, leases and the stamps in column defaults all read one
table with one row. Nothing of the services is changed for it, and no instant of the machine decides anything.
"""

from asyncio import AbstractEventLoop
from asyncio.subprocess import Process
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from signal import SIGINT
from typing import Any, TypeVar

import asyncpg

from amanah.embedded import children
from amanah.embedded.postgres import Postgres
from amanah_chassis.database import migrate

T = TypeVar("T")

_HOLDERS = """
    select pid, state, xact_start, left(query, 200) as query from pg_stat_activity
    where datname = 'sim' and xact_start is not null and pid <> pg_backend_pid()
    """

SERVICES = ("intake", "routing", "casework", "sla_monitor", "notifier")

_CLOCK = """
    create schema sim;
    create table sim.hands (at timestamptz not null);
    insert into sim.hands values ('2026-01-01Z');
    create function sim.clock_timestamp() returns timestamptz language sql stable as 'select at from sim.hands';
    create function sim.statement_timestamp() returns timestamptz language sql stable as 'select at from sim.hands';
    """
# Durability is not what is tried here: no power fails. Without the other two, what earlier examples left behind could
# change in which order a statement without ORDER BY answers, and a seed would not tell the same story twice.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


class Server:
    """A running server, prepared once."""

    def __init__(self, loop: AbstractEventLoop, folder: Path) -> None:
        self.loop = loop
        self._postgres = Postgres(folder / "postgres", folder / "postgres.log", "tests")
        self._process: Process | None = None
        self._db: asyncpg.Connection | None = None
        self._truncate = ""

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def dsn(self, service: str) -> str:
        return f"{self._postgres.dsn('sim')}&search_path={service},sim,pg_catalog&synchronous_commit=off"

    async def start(self) -> None:
        await self._postgres.prepare()
        self._process = await self._postgres.launch()
        await self._postgres.ready()
        first = await asyncpg.connect(self._postgres.dsn())
        await first.execute("create database sim")
        for name, value in _SETTINGS.items():
            await first.execute(f"alter system set {name} = {value}")
        await first.execute("select pg_reload_conf()")
        await first.close()
        self._db = await asyncpg.connect(f"{self._postgres.dsn('sim')}&synchronous_commit=off&lock_timeout=10s")
        await self._db.execute(_CLOCK)
        for service in SERVICES:
            await self._db.execute(f"create schema {service}")
            await migrate(self.dsn(service), ("amanah_chassis", f"amanah_{service}"))
        tables = await self._db.fetch(
            "select schemaname || '.' || quote_ident(tablename) from pg_tables"
            " where schemaname = any($1) and tablename <> 'chassis_migration' order by 1",
            SERVICES,
        )
        self._truncate = f"truncate {', '.join(row[0] for row in tables)} restart identity"

    async def stop(self) -> None:
        if self._db is not None:
            await self._db.close()
        if self._process is not None:
            await children.stop(self._process, SIGINT, 10)
        self._postgres.tidy()

    async def empty(self) -> None:
        """As if nobody had ever filed anything. Raises RuntimeError when somebody still holds something."""
        assert self._db is not None
        try:
            await self._db.execute(self._truncate)
        except asyncpg.LockNotAvailableError:
            holders = await self.rows(_HOLDERS)
            raise RuntimeError(f"held by {[dict(row) for row in holders]}") from None

    async def set_clock(self, now: datetime) -> None:
        assert self._db is not None
        await self._db.execute("update sim.hands set at = $1", now)

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """For whoever looks at everything from outside: names carry their schema."""
        assert self._db is not None
        return await self._db.fetch(sql, *arguments)
