"""Whether a monitor knows what has been written: until which instant it lets anything fall due."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.sla_monitor.cases import CALENDARS, at

from amanah_sla_monitor import monitor as monitors
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import rules
from amanah_sla_monitor.handlers import _notice_lag
from amanah_sla_monitor.monitor import BEFORE_ALL, Monitor, keeps_up, run_catching_up
from amanah_sla_monitor.reconciler import watch

LAW = Law("test", rules(), CALENDARS)
BEGUN = at("2026-06-02 09:00")


@pytest.fixture
def monitor() -> Monitor:
    return Monitor(LAW, lambda: LAW)


@asynccontextmanager
async def catching_up(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[int], None]
) -> AsyncIterator[list[Any]]:
    """Runs it with a Kafka that is read to its end at once; answers what was known at the end of each round."""
    known: list[Any] = []
    looks = 0

    async def caught_up(*_: Any) -> bool:
        nonlocal looks
        looks += 1
        known.append(monitor.known_until)
        meanwhile(looks)
        await asyncio.sleep(0)
        return True

    async def settled(_: Any) -> Any:
        return BEGUN + timedelta(minutes=looks)

    monkeypatch.setattr(monitors, "caught_up", caught_up)
    monkeypatch.setattr(monitors, "_settled", settled)

    async def unread_for() -> float:
        return 0.0

    chassis: Any = SimpleNamespace(settings=SimpleNamespace(kafka=""), unread_for=unread_for)
    running = asyncio.ensure_future(run_catching_up(monitor, chassis, ()))
    try:
        async with asyncio.timeout(5):
            while monitor.known_until is not None:
                await asyncio.sleep(0)
        yield known
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_at_the_start_nothing_falls_due_before_all_is_read(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with catching_up(monitor, monkeypatch, lambda _: None) as known:
        assert known == [BEFORE_ALL]
        assert monitor.wake.is_set(), "what has passed is said now"
        monitor.fall_behind()
        assert monitor.known_until == BEFORE_ALL


async def test_one_that_falls_behind_again_and_again_lets_fall_due_what_it_knows(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a machine that is too busy for long would say nothing at all."""
    async with catching_up(monitor, monkeypatch, lambda look: monitor.fall_behind() if look < 3 else None) as known:
        assert known == [BEFORE_ALL, BEGUN, BEGUN + timedelta(minutes=1)]


class Statements:
    """A connection that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def execute(self, statement: str) -> None:
        self.told.append(statement)


@pytest.mark.parametrize(("lay", "behind"), [(0.4, False), (0.6, True)])
async def test_a_fact_that_lay_unread_for_half_a_second_shows_it_and_all_processes_hear(
    monitor: Monitor, lay: float, behind: bool
) -> None:
    monitor.known_until = None
    monitor.behind.clear()
    db = Statements()
    batch: Any = SimpleNamespace(db=db, deliveries=[0.1, lay], waited=lambda seconds: timedelta(seconds=seconds))
    for _ in range(2):
        await _notice_lag(batch, monitor)
    assert monitor.behind.is_set() is behind
    assert (monitor.known_until is not None) is behind
    assert [told for told in db.told if "sla_monitor_behind" in told] == db.told
    assert len(db.told) == behind, "once, not with each batch"


async def test_what_may_lie_unread_holds_up_what_falls_due_and_the_others_are_told_once(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor.known_until = None
    monitor.behind.clear()
    unread, db = 0.3, Statements()

    @asynccontextmanager
    async def connection(_: Any) -> AsyncIterator[Any]:
        yield db

    async def unread_for() -> float:
        return unread

    monkeypatch.setattr(monitors, "connection", connection)
    chassis: Any = SimpleNamespace(unread_for=unread_for, pool=None)
    assert await keeps_up(monitor, chassis)
    assert monitor.known_until is None
    unread = 0.5
    assert not await keeps_up(monitor, chassis)
    assert not await keeps_up(monitor, chassis)
    assert (monitor.known_until, monitor.behind.is_set(), len(db.told)) == (BEFORE_ALL, True, 1)


@pytest.mark.parametrize(("behind_for", "looks_after"), [(0, 0), (3, 5.3), (10_000, 185.0)])
async def test_the_second_pair_of_eyes_waits_for_a_monitor_that_waits_but_not_for_ever(
    monitor: Monitor, behind_for: int, looks_after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not said yet, because it waits for what lies unread, would look as if it had been missed."""
    now, naps = 0.0, 0

    async def sleep(seconds: float) -> None:
        nonlocal now, naps
        now, naps = now + seconds, naps + 1
        monitor.known_until = BEFORE_ALL if naps < behind_for else None

    monitor.known_until = BEFORE_ALL if behind_for else None
    monkeypatch.setattr(watch.asyncio, "sleep", sleep)
    monkeypatch.setattr(watch, "monotonic", lambda: now)
    await watch._until_it_keeps_up(monitor, 300)
    assert now == pytest.approx(looks_after, abs=0.11)
