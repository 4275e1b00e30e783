"""What `bench idle` plans and reckons: instants, lateness, the line. No server, no clock, no file."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from random import Random
from statistics import median
from uuid import UUID

from uuid_utils.compat import uuid7

from amanah.bench.lines import Line

GAP_MS = (20.0, 60.0)
"""Between one due instant and the next: apart enough that each deadline is alone."""
NOTICE_MS = (25.0, 250.0)
"""How long before its instant a deadline that comes late is stored; some then are the earliest of all."""


@dataclass(frozen=True, slots=True)
class Single:
    """One deadline of a round, at `due_ms` after the round's begin; stored with all the others at first, or only at
    `stored_ms`."""

    complaint_id: UUID
    due_ms: float
    stored_ms: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """What was held and used: megabytes (resident, and proportional: shared pages divided among who shares them), and
    shares of one core."""

    rss_mb: float
    pss_mb: float
    postgres_rss_mb: float | None
    postgres_pss_mb: float | None
    cpu_idle: float
    cpu_busy: float


@dataclass(frozen=True, slots=True)
class Round:
    """Lateness in ms of every deadline of ours and of the bare loop, and what the monitor held."""

    ours: Sequence[float]
    bare: Sequence[float]
    held: Held


def singles(count: int, chance: Random) -> list[Single]:
    """Deadlines at random instants, `GAP_MS` from one to the next; about half, by chance, come late."""
    planned, due = [], NOTICE_MS[1]
    for _ in range(count):
        due += chance.uniform(*GAP_MS)
        stored = due - chance.uniform(*NOTICE_MS) if chance.random() < 0.5 else None
        planned.append(Single(uuid7(), due, stored))
    return planned


def due_at(single: Single, begin: datetime) -> datetime:
    return begin + timedelta(milliseconds=single.due_ms)


def lateness(planned: Collection[Single], begin: datetime, stamps: Mapping[UUID, int]) -> list[float]:
    """Milliseconds from each due instant to the broker's stamp, which is cut off to whole ones: half of one is added. Raises
    for a deadline that was never said, or said before it was due."""
    if missing := [single for single in planned if single.complaint_id not in stamps]:
        raise AssertionError(f"{len(missing)} of {len(planned)} deadlines were never said to be breached")
    late = [stamps[single.complaint_id] + 0.5 - due_at(single, begin).timestamp() * 1000 for single in planned]
    if min(late) < -0.5:
        raise AssertionError(f"a breach was said {-min(late):.1f} ms before its deadline was due")
    return late


def percentile(values: Collection[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def idle_line(clocks: int, rounds: Sequence[Round], smallest: Sequence[Round], loads: tuple[float, float]) -> Line:
    """The line of one size; `smallest` are the same rounds with the run's smallest size. `loads`: of the machine, when the
    bench began and when it ended."""
    ours = [percentile(one.ours, 0.99) for one in rounds]
    bare = [percentile(one.bare, 0.99) for one in rounds]
    figure = _middle(ours)
    return Line(
        "idle",
        figure,
        "ms",
        _middle(bare),
        _ratio(ours, bare),
        {
            "open": clocks,
            "rounds": len(rounds),
            "deadlines": sum(len(one.ours) for one in rounds),
            "flat": _ratio(ours, [percentile(one.ours, 0.99) for one in smallest]),
            "bare_flat": _ratio(bare, [percentile(one.bare, 0.99) for one in smallest]),
            "p50_ms": _middle(percentile(one.ours, 0.5) for one in rounds),
            "p99_ms": figure,
            "worst_ms": round(max(late for one in rounds for late in one.ours), 1),
            "bare_p50_ms": _middle(percentile(one.bare, 0.5) for one in rounds),
            "bare_worst_ms": round(max(late for one in rounds for late in one.bare), 1),
            **_held([one.held for one in rounds]),
            "load": loads[0],
            "load_after": loads[1],
        },
        about=f"p99 of lateness, {clocks:,} clocks open",
    )


def _middle(values: Iterable[float], digits: int = 1) -> float:
    return round(median(values), digits)


def _ratio(ours: Iterable[float], others: Iterable[float]) -> float:
    return _middle((mine / other for mine, other in zip(ours, others, strict=True)), 3)


def _held(rounds: Sequence[Held]) -> dict[str, float | None]:
    """The medians; None where it could not be measured."""
    found: dict[str, float | None] = {}
    for name in Held.__slots__:
        values = [getattr(held, name) for held in rounds]
        found[name] = None if None in values else _middle(values, 3 if name.startswith("cpu") else 1)
    return found
