"""How long a clock waits: the distance to the instant in settled time, at the clock's rate."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amanah_chassis import clock as clocks
from amanah_chassis.clock import Clock

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Hands:
    """The edge: the database, which has the hands."""

    def __init__(self, now: datetime, settled: datetime) -> None:
        self._row = (now, settled, now)

    async def fetch(self, *_: Any) -> list[tuple[datetime, datetime, datetime]]:
        return [self._row]


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times: list[float] = []

    async def note(delay: float, *_: asyncio.Event) -> None:
        times.append(delay)

    monkeypatch.setattr(clocks, "_first_of", note)
    return times


@pytest.mark.parametrize(
    ("rate", "ahead", "at_most", "expected"),
    [
        (None, 10, 60, [10]),
        (None, 100, 60, [60]),
        (None, 0, 60, []),
        (None, -5, 60, []),
        (3600.0, 7200, 60, [2]),
        (0.0, 10, 60, [60]),  # a standing clock gets there by a step only
        (0.0, -1, 60, []),
    ],
)
async def test_the_wait_is_real_time(
    rate: float | None, ahead: float, at_most: float, expected: list[float], waited: list[float]
) -> None:
    clock: Any = Clock(Hands(NOW, NOW), "", rate)  # type: ignore[arg-type]

    async def listening() -> None:
        """Nothing to listen to."""

    clock._listen = listening
    await clock.wait_until(NOW + timedelta(seconds=ahead), asyncio.Event(), at_most)
    assert waited == expected


async def test_it_is_settled_time_that_counts(waited: list[float]) -> None:
    clock = Clock(Hands(NOW + timedelta(seconds=30), NOW), "", None)  # type: ignore[arg-type]
    await clock.wait_until(NOW + timedelta(seconds=20), asyncio.Event())
    assert waited == [20]


async def test_without_an_instant_it_waits_as_long_as_it_may(waited: list[float]) -> None:
    await Clock(Hands(NOW, NOW), "", None).wait_until(None, asyncio.Event(), 7)  # type: ignore[arg-type]
    assert waited == [7]


async def test_a_nudge_ends_the_wait_and_is_used_up() -> None:
    nudge = asyncio.Event()
    nudge.set()
    async with asyncio.timeout(1):
        await Clock(Hands(NOW, NOW), "", None).wait_until(None, nudge, 60)  # type: ignore[arg-type]
    assert not nudge.is_set()


async def test_real_instants_are_their_own_translation() -> None:
    assert await Clock(Hands(NOW, NOW), "", None).at(None, [NOW]) == [NOW]  # type: ignore[arg-type]
