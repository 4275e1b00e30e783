"""What a soak measures: figures over time, and how steeply each runs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median
from typing import Any

Point = tuple[float, float]
"""Seconds since the load began, and a value."""


@dataclass
class Series:
    """One figure over time. `kind` names the limit that it is held against."""

    name: str
    kind: str
    unit: str
    points: list[Point] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "unit": self.unit, "points": self.points}


def slope(points: Sequence[Point]) -> float:
    """Theil and Sen's: the median of the slopes of all pairs, in units a second; up to 29 % of wild values do not move it.
    0 for fewer than two instants."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] != a[0]]
    return median(slopes) if slopes else 0.0


def between(points: Sequence[Point], since: float, until: float) -> list[Point]:
    return [point for point in points if since <= point[0] <= until]
