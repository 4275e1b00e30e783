"""What `bench recalculate` expects and reckons: who is moved, what was doubled or missed, the line. No server, no clock."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from amanah.bench.lateness import percentile
from amanah.bench.lines import Line
from amanah.bench.recalculate_bare import Date, Ground
from amanah_sla_monitor.domain.clocks import clocks
from amanah_sla_monitor.domain.diff import OPEN, Difference, Key, Stored, What, diff
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.marks import Mark

Clock = tuple[UUID, str]
"""Complaint and stage: none of these cases has had two holders."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case as its tables have it."""

    complaint_id: UUID
    facts: Sequence[Fact]
    told: Mapping[Key, Stored]

    @property
    def running(self) -> int:
        """How many of its clocks run."""
        return sum(row.state in OPEN for row in self.told.values())


def outcome(case: Case, law: Law, now: datetime) -> Difference:
    """What another law does to a case, by the fold itself."""
    return diff(case.told, clocks(case.facts, law.rules, law.calendars, now), now, law.offices)


def moved(difference: Difference) -> list[str]:
    """The stages of the clocks that are moved."""
    return [decision.row.stage for decision in difference.decisions if decision.what is What.RECALCULATED]


def dates(cases: Iterable[Case], law: Law, now: datetime) -> dict[Ground, Date]:
    """The rows that another law changes, as the bare loop writes them."""
    return {
        (row.agency or "", row.stage, row.started_at): Date(
            row.calendar, row.deadline_version, row.due_at, row.next_fire_at, _json(row.marks)
        )
        for case in cases
        for row in outcome(case, law, now).changed
    }


def _json(marks: Iterable[Mark]) -> str:
    return json.dumps([(mark.at.isoformat(), mark.name) for mark in marks])


@dataclass(slots=True)
class Said:
    """What lies in Kafka: each recalculation by its clock, the broker's stamp of the last one, each breach's first stamp."""

    recalculated: Counter[Clock] = field(default_factory=Counter)
    last_ms: int = 0
    breached: dict[UUID, int] = field(default_factory=dict)

    def doubled(self) -> int:
        return sum(times - 1 for times in self.recalculated.values())

    def missed(self, expected: Collection[Clock]) -> int:
        return sum(clock not in self.recalculated for clock in expected)

    def unasked(self, expected: Collection[Clock]) -> int:
        """Events of clocks that the law does not move."""
        return sum(clock not in expected for clock in self.recalculated)


@dataclass(frozen=True, slots=True)
class Work:
    """`amanah law apply` as a process: seconds from its start to its end, seconds of a core that it used, how many clocks it
    says it moved, the most memory that it held."""

    seconds: float
    cpu_seconds: float
    moved: int
    rss_mb: float


def recalculate_line(
    clocks: int,
    work: Work,
    *,
    bare: float,
    said: Said,
    expected: Collection[Clock],
    in_kafka: float,
    late: Collection[float],
    load: float,
) -> Line:
    """`bare`: clocks per second; `in_kafka`: seconds from the start of the process to the last recalculation in Kafka."""
    ours = clocks / work.seconds
    return Line(
        "recalculate",
        round(ours),
        "clocks/s",
        round(bare),
        round(ours / bare, 3),
        {
            "clocks": clocks,
            "seconds": round(work.seconds, 1),
            "cpu_seconds": round(work.cpu_seconds, 1),
            "in_kafka_seconds": round(in_kafka, 1),
            "moved": work.moved,
            "doubled": said.doubled(),
            "missed": said.missed(expected),
            "unasked": said.unasked(expected),
            "deadlines": len(late),
            "ticker_p50_ms": round(percentile(late, 0.5), 1),
            "ticker_p99_ms": round(percentile(late, 0.99), 1),
            "ticker_worst_ms": round(max(late), 1),
            "rss_mb": round(work.rss_mb, 1),
            "load": load,
        },
    )
