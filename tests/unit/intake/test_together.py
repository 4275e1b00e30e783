"""Filings that share a commit: who waits, who does not, and whose fault is whose."""

import asyncio
from collections.abc import Sequence

import pytest

from amanah_chassis.errors import DatabaseAway
from amanah_intake.together import LANES, MOST, Together


class Commits:
    """Does what it is told once `open` is set; keeps the lots that it was given."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.open = asyncio.Event()

    async def __call__(self, lot: Sequence[int]) -> list[str | Exception]:
        self.lots.append(list(lot))
        await self.open.wait()
        if 13 in lot:
            raise ValueError("thirteen")
        if 99 in lot:
            raise DatabaseAway("gone")
        return [KeyError("odd") if item == 7 else f"done {item}" for item in lot]


async def begun(commits: Commits, *items: int) -> "list[asyncio.Task[str]]":
    together: Together[int, str] = Together(commits)
    tasks = [asyncio.create_task(together(item)) for item in items]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_the_first_do_not_wait_and_the_others_go_together() -> None:
    commits = Commits()
    tasks = await begun(commits, 1, 2, 3, 4, 5)
    assert commits.lots == [[1], [2]], "a lane each"
    commits.open.set()
    assert await asyncio.gather(*tasks) == [f"done {item}" for item in (1, 2, 3, 4, 5)]
    assert commits.lots == [[1], [2], [3, 4, 5]]


async def test_a_lot_has_an_end() -> None:
    commits = Commits()
    tasks = await begun(commits, *range(1000, 1000 + LANES + MOST + 1))
    commits.open.set()
    await asyncio.gather(*tasks)
    assert sorted(map(len, commits.lots)) == [*[1] * LANES, 1, MOST]


async def test_when_nobody_waits_the_next_one_goes_alone_again() -> None:
    commits = Commits()
    commits.open.set()
    together: Together[int, str] = Together(commits)
    assert [await together(1), await together(2)] == ["done 1", "done 2"]
    assert commits.lots == [[1], [2]]


async def test_what_is_wrong_with_one_is_raised_to_that_one() -> None:
    commits = Commits()
    tasks = await begun(commits, 1, 2, 3, 7, 4)
    commits.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in found] == ["done 1", "done 2", "done 3", "'odd'", "done 4"]


async def test_one_that_breaks_a_lot_breaks_nobody_elses_filing() -> None:
    commits = Commits()
    tasks = await begun(commits, 1, 2, 3, 13, 4)
    commits.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in found] == ["done 1", "done 2", "done 3", "thirteen", "done 4"]
    assert commits.lots[2:] == [[3, 13, 4], [3], [13], [4]]


async def test_a_database_that_is_away_is_not_asked_once_for_each() -> None:
    commits = Commits()
    tasks = await begun(commits, 1, 2, 3, 99, 4)
    commits.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [str, str, DatabaseAway, DatabaseAway, DatabaseAway]
    assert commits.lots[2:] == [[3, 99, 4]]


async def test_a_caller_that_goes_away_takes_nobody_along() -> None:
    commits = Commits()
    tasks = await begun(commits, 1, 2, 3, 4)
    tasks[0].cancel()
    tasks[2].cancel()
    commits.open.set()
    assert await asyncio.gather(tasks[1], tasks[3]) == ["done 2", "done 4"]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert [3, 4] in commits.lots, "what was asked for is done all the same"
