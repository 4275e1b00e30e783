"""The world at fault, on purpose."""

import os
import signal

import asyncpg


class Stopped:
    """A process that exists and does nothing, as when its machine hangs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGCONT)


async def cut_connections(dsn: str) -> None:
    """Ends every connection of a database, as a restart of Postgres does."""
    db = await asyncpg.connect(dsn)
    await db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    await db.close()


class Unreachable:
    """A database that takes no connection and has ended those it had; `admin` is the superuser's DSN of another one."""

    def __init__(self, admin: str, name: str) -> None:
        self._admin, self._name = admin, name

    async def __aenter__(self) -> None:
        await self._say(
            f'alter database "{self._name}" allow_connections false',
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self._name}'",
        )

    async def __aexit__(self, *_: object) -> None:
        await self._say(f'alter database "{self._name}" allow_connections true')

    async def _say(self, *statements: str) -> None:
        db = await asyncpg.connect(self._admin)
        try:
            for statement in statements:
                await db.execute(statement)
        finally:
            await db.close()
