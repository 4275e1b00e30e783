"""Whether what was measured is flat: a robust slope over the last half of the load, against limits that are stated. Pure.

A figure grows if its slope, carried over the whole of that half, comes to more than its limit: an absolute step, or a share
of the figure's own median, whichever is more. So one limit fits a soak of ten minutes and one of a day: who leaks slowly
enough to stay below it for ten minutes is found by a longer soak.

Files of a server and tables whose rows come and go run like a saw, and half an hour may hold too few of its teeth: they grow
only if they also end higher than the first half had them for a tenth of its time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from amanah.soak.series import Point, Series, between, slope

LEAST_POINTS = 6
"""Fewer say nothing about a slope."""

MEMORY, FILES, LAG, UNSENT, AGE = "memory", "files", "lag", "unsent", "age"
PASSING, BESIDE, STILL = "come and go", "per complaint", "still"


SAWS = frozenset({FILES, PASSING})


@dataclass(frozen=True)
class Limit:
    """What a figure may gain over the half: `step` in its own unit, or `share` of its median."""

    step: float
    share: float
    why: str


LIMITS: Mapping[str, Limit] = {
    MEMORY: Limit(4.0, 0.03, "MB of one process, shared pages counted by their share"),
    FILES: Limit(4.0, 0.05, "open file descriptors of one process"),
    LAG: Limit(50.0, 0.25, "records that a consumer group has not committed"),
    UNSENT: Limit(50.0, 0.25, "rows of an outbox that are not sent"),
    AGE: Limit(1.0, 0.25, "seconds of the oldest of them"),
    PASSING: Limit(1000.0, 0.10, "rows, or kB, of a table whose rows come and go"),
    BESIDE: Limit(0.02, 0.10, "rows, or kB, for each complaint ever filed, of a table that keeps them"),
    STILL: Limit(100.0, 0.10, "rows, or kB, of a table that events do not fill"),
}


@dataclass(frozen=True)
class Ruling:
    """What became of one figure."""

    name: str
    kind: str
    unit: str
    median: float
    gained: float
    """Over the last half, by its slope."""
    limit: float
    grows: bool

    def as_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def rule(series: Series, since: float, until: float) -> Ruling | None:
    """Judges one figure between two instants; None when there is too little to judge."""
    points = between(series.points, since, until)
    if len(points) < LEAST_POINTS:
        return None
    middle = median(value for _, value in points)
    limit = max(LIMITS[series.kind].step, LIMITS[series.kind].share * middle)
    gained = slope(points) * (until - since)
    grows = gained > limit and not (series.kind in SAWS and _was_as_high(series.points, points))
    return Ruling(series.name, series.kind, series.unit, round(middle, 3), round(gained, 3), round(limit, 3), grows)


def _was_as_high(all_points: Sequence[Point], last_half: Sequence[Point]) -> bool:
    """Whether its last third lies, in the middle, no higher than the highest tenth of what was there before."""
    before = sorted(value for at, value in all_points if at < last_half[0][0])
    end = median(value for _, value in last_half[-len(last_half) // 3 :])
    return len(before) >= LEAST_POINTS and end <= before[int(len(before) * 0.9)]


def rulings(found: Sequence[Series], since: float, until: float) -> list[Ruling]:
    """Judges all; what grows comes first."""
    judged = [ruling for series in found if (ruling := rule(series, since, until)) is not None]
    return sorted(judged, key=lambda ruling: (not ruling.grows, ruling.kind, ruling.name))


def ratio(name: str, unit: str, values: Series, complaints: Series) -> Series:
    """A figure for each complaint filed by then: of a table that keeps a complaint's rows, this is what must be flat."""
    filed = dict(complaints.points)
    points = [(at, value / filed[at]) for at, value in values.points if filed.get(at)]
    return Series(name, BESIDE, unit, points)
