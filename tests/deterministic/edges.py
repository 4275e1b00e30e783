"""The edge between a service and its database: real statements on a real connection, a place to die at between any two."""

from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import asyncpg


class Crash(BaseException):
    """The process ends here, as by SIGKILL: nobody may catch it."""


class Edge:
    """What goes wrong between one process and its database."""

    def __init__(self) -> None:
        self._left: int | None = None
        self.cursed: set[UUID] = set()
        """Complaints that a bug in this service's handlers fails on."""

    def rewrite(self, sql: str) -> str:
        """As it is; a seeded bug may be a clause of a statement."""
        return sql

    def light(self, steps: int) -> None:
        """Kills the process at that step from now: one before each statement, one before each COMMIT, one after it."""
        self._left = steps

    def put_out(self) -> None:
        self._left = None

    @property
    def lit(self) -> bool:
        return self._left is not None

    def step(self) -> None:
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            raise Crash
        self._left -= 1

    def before(self, sql: str, arguments: Iterable[Any]) -> None:
        self.step()
        if self.cursed and "chassis_" not in sql and any(_mentions(argument, self.cursed) for argument in arguments):
            raise asyncpg.DataError("a bug of the tests")


def _mentions(argument: Any, cursed: set[UUID]) -> bool:
    if isinstance(argument, UUID):
        return argument in cursed
    return isinstance(argument, list | tuple) and any(_mentions(item, cursed) for item in argument)


class Line:
    """A connection as handlers see it."""

    def __init__(self, db: asyncpg.Connection, edge: Edge) -> None:
        self._db = db
        self._edge = edge

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        return await self._run(self._db.fetch, sql, arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        return await self._run(self._db.fetchrow, sql, arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        return await self._run(self._db.fetchval, sql, arguments)

    async def execute(self, sql: str, *arguments: Any) -> Any:
        return await self._run(self._db.execute, sql, arguments)

    async def executemany(self, sql: str, arguments: Iterable[Any]) -> Any:
        return await self._run(self._db.executemany, sql, (list(arguments),))

    async def copy_records_to_table(self, table: str, *, records: Any, columns: Any) -> Any:
        self._edge.before(f"copy {table}", (list(records),))
        return await self._db.copy_records_to_table(table, records=records, columns=columns)

    def transaction(self, **options: Any) -> "_Transaction":
        return _Transaction(self._db.transaction(**options), self._edge)

    async def _run(self, run: Callable[..., Any], sql: str, arguments: tuple[Any, ...]) -> Any:
        self._edge.before(sql, arguments)
        answer = await run(self._edge.rewrite(sql), *arguments)
        if not self._db.is_in_transaction():
            self._edge.step()
        return answer


class _Transaction:
    def __init__(self, real: Any, edge: Edge) -> None:
        self._real = real
        self._edge = edge

    async def __aenter__(self) -> Self:
        await self._real.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await self._real.rollback()
            return
        try:
            self._edge.step()
        except Crash:
            await self._real.rollback()
            raise
        await self._real.commit()
        self._edge.step()


class Pool:
    """Lends the few connections that a session keeps for each service."""

    def __init__(self, free: list[asyncpg.Connection], edge: Edge) -> None:
        self._lines = [Line(db, edge) for db in free]

    def acquire(self) -> "_Lending":
        return _Lending(self)

    def lend(self) -> Line:
        return self._lines.pop()

    async def release(self, line: Line) -> None:
        self._lines.append(line)

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as line:
            return await line.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as line:
            return await line.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as line:
            return await line.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as line:
            return await line.execute(sql, *arguments)


class _Lending:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._line: Line | None = None

    def __await__(self) -> Generator[Any, None, Line]:
        return self._lend().__await__()

    async def _lend(self) -> Line:
        return self._pool.lend()

    async def __aenter__(self) -> Line:
        self._line = self._pool.lend()
        return self._line

    async def __aexit__(self, *_: object) -> None:
        assert self._line is not None
        await self._pool.release(self._line)
