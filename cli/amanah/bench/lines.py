"""What a bench says: one JSON object a line."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """`figure` and `bare` in `unit`, both the median of their rounds; `ratio` is figure / bare of the same rounds."""

    bench: str
    figure: float
    unit: str
    bare: float
    ratio: float
    more: dict[str, Any]
    about: str = ""
    """For a person, what tells this line from the bench's other ones."""

    def as_json(self) -> str:
        line = {"bench": self.bench, "figure": self.figure, "unit": self.unit, "bare": self.bare, "ratio": self.ratio}
        return json.dumps(line | self.more)

    def words(self) -> str:
        title = f"{self.bench}, {self.about}" if self.about else self.bench
        return f"{title}: {self.figure:,} {self.unit}; bare loop {self.bare:,}; ratio {self.ratio}"


def line(bench: str, unit: str, ours: Sequence[float], bare: Sequence[float], **more: Any) -> Line:
    """Rounds of ours and of the bare loop, taken in turn."""
    ratios = [mine / other for mine, other in zip(ours, bare, strict=True)]
    return Line(
        bench,
        round(median(ours)),
        unit,
        round(median(bare)),
        round(median(ratios), 3),
        {"rounds": len(ours), "worst": round(min(ours)), "best": round(max(ours)), **more},
    )


def load() -> float:
    """The machine's 1-minute load: what else it was doing."""
    return round(os.getloadavg()[0], 2)
