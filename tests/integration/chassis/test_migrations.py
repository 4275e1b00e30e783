"""Migrations: each once, whoever asks at the same time; a changed one and a newer database are refused."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from amanah_chassis.database import migrate
from amanah_chassis.errors import Misconfigured


class Release:
    """A package with migrations, as one release of a service would ship them."""

    def __init__(self, folder: Path) -> None:
        self.name = f"release_{uuid4().hex[:8]}"
        self._folder = folder / self.name / "migrations"
        self._folder.mkdir(parents=True)
        (folder / self.name / "__init__.py").touch()

    def ship(self, name: str, sql: str) -> None:
        (self._folder / name).write_text(sql)

    def withdraw(self, name: str) -> None:
        (self._folder / name).unlink()


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Release(tmp_path)
    yield made
    sys.modules.pop(made.name, None)


async def test_two_at_once_apply_each_migration_once(database: str, release: Release) -> None:
    release.ship("0001_first.sql", "select pg_sleep(0.3); create table thing (n int); insert into thing values (1);")
    release.ship("0002_second.sql", "insert into thing values (2);")
    packages = ("amanah_chassis", release.name)
    done = await asyncio.gather(*(migrate(database, packages) for _ in range(4)))
    names = [f"{release.name}/0001_first.sql", f"{release.name}/0002_second.sql"]
    *others, worker = sorted(done, key=len)
    assert others == [[], [], []]
    assert worker[0] == "amanah_chassis/0001_chassis.sql"
    assert worker[-2:] == names
    assert await values(database) == [1, 2]


async def test_a_later_release_applies_only_what_is_new(database: str, release: Release) -> None:
    release.ship("0001_first.sql", "create table thing (n int); insert into thing values (1);")
    await migrate(database, (release.name,))
    release.ship("0002_second.sql", "insert into thing values (2);")
    assert await migrate(database, (release.name,)) == [f"{release.name}/0002_second.sql"]
    assert await migrate(database, (release.name,)) == []
    assert await values(database) == [1, 2]


async def test_a_migration_that_changed_after_it_was_applied_is_refused(database: str, release: Release) -> None:
    release.ship("0001_first.sql", "create table thing (n int);")
    await migrate(database, (release.name,))
    release.ship("0001_first.sql", "create table thing (n bigint);")
    release.ship("0002_second.sql", "insert into thing values (2);")
    with pytest.raises(Misconfigured, match="has changed since it was applied"):
        await migrate(database, (release.name,))
    assert await values(database) == []


async def test_a_newer_database_is_refused(database: str, release: Release) -> None:
    release.ship("0001_first.sql", "create table thing (n int);")
    release.ship("0002_second.sql", "insert into thing values (2);")
    await migrate(database, (release.name,))
    release.withdraw("0002_second.sql")
    with pytest.raises(Misconfigured, match="newer than this release"):
        await migrate(database, (release.name,))


async def test_a_migration_that_fails_leaves_nothing(database: str, release: Release) -> None:
    release.ship("0001_first.sql", "create table thing (n int);")
    release.ship("0002_broken.sql", "insert into thing values (1); select 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database, (release.name,))
    release.ship("0002_broken.sql", "insert into thing values (2);")
    await migrate(database, (release.name,))
    assert await values(database) == [2]


async def test_a_migration_does_not_queue_everybody_behind_a_lock(database: str, release: Release) -> None:
    """It gives up on a lock after four seconds, because whoever asks after it must wait behind it."""
    release.ship("0001_first.sql", "create table thing (n int);")
    await migrate(database, (release.name,))
    release.ship("0002_second.sql", "alter table thing add column m int;")
    reader = await asyncpg.connect(database)
    try:
        async with reader.transaction():
            await reader.execute("select * from thing")
            async with asyncio.timeout(10):
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await migrate(database, (release.name,))
    finally:
        await reader.close()
    assert await migrate(database, (release.name,)) == [f"{release.name}/0002_second.sql"]


async def values(dsn: str) -> list[int]:
    db = await asyncpg.connect(dsn)
    try:
        return [row["n"] for row in await db.fetch("select n from thing order by n")]
    finally:
        await db.close()
