"""What a draft of the rules would have breached, beside what the rules in force breach on the same facts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from amanah.replay.draft import GIVEN
from amanah.verify.result import Checked, Finding
from amanah_sla_monitor.domain.calendars import OutOfCalendar
from amanah_sla_monitor.domain.clocks import Clock, State, clocks
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.law import Law

Key = tuple[str, str, int]
"""Complaint, stage and holder: one deadline."""
Place = tuple[str | None, str]
"""Agency and stage: one line of the table."""

CHECK = "what_if"
PROMISE = "Every deadline stands as the draft's rules make it of the recorded facts, and is breached at that instant."


@dataclass(frozen=True, slots=True)
class Said:
    """What a run under the draft said."""

    standing: Mapping[Key, tuple[str | None, str]]
    """Agency and state of each deadline, as the monitor told of it last."""
    breaches: Mapping[Key, datetime]
    """Those in Kafka that were not withdrawn, each with its instant."""

    def state(self, key: Key) -> str | None:
        """A breach is what Kafka says; None: nothing was said of it."""
        if key in self.breaches:
            return State.BREACHED.value
        return self.standing[key][1] if key in self.standing else None


@dataclass(slots=True)
class Folded:
    """What a law makes of all facts."""

    clocks: dict[Key, Clock] = field(default_factory=dict)
    uncounted: dict[str, str] = field(default_factory=dict)
    """Complaints that it cannot count, and why."""


@dataclass(slots=True)
class Line:
    """The deadlines of one agency and stage: as the run said them, and how many the rules in force breach."""

    agency: str | None
    stage: str
    clocks: int = 0
    met: int = 0
    breached: int = 0
    open: int = 0
    breached_now: int = 0

    @property
    def change(self) -> int:
        return self.breached - self.breached_now


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer: a line for each agency and stage, in their order."""

    rules: str
    lines: Sequence[Line]

    @property
    def total(self) -> Line:
        sums = Line("all", "all")
        for line in self.lines:
            for name in ("clocks", "met", "breached", "open", "breached_now"):
                setattr(sums, name, getattr(sums, name) + getattr(line, name))
        return sums

    def as_dict(self) -> dict[str, Any]:
        """`what_if` of the object of `--json`."""
        names = ("agency", "stage", "clocks", "met", "breached", "open", "breached_now")
        return {
            "rules": self.rules,
            "by_agency_and_stage": [{name: getattr(line, name) for name in names} for line in self.lines],
            "breached": self.total.breached,
            "breached_now": self.total.breached_now,
        }


def fold(facts: Mapping[str, Sequence[Fact]], law: Law, at: datetime) -> Folded:
    """Every deadline of every complaint by one law, as it stands at `at`."""
    folded = Folded()
    for complaint, known in facts.items():
        try:
            found = clocks(known, law.rules, law.calendars, at)
        except OutOfCalendar as beyond:
            folded.uncounted[complaint] = str(beyond)
            continue
        folded.clocks |= {(complaint, clock.stage, clock.holder): clock for clock in found}
    return folded


def compare(rules: str, said: Said, present: Folded) -> WhatIf:
    """The table: the draft's side from what the run said, the present side from the fold."""
    lines: dict[Place, Line] = {}

    def line(agency: str | None, stage: str) -> Line:
        return lines.setdefault((agency, stage), Line(agency, stage))

    for key, (agency, _) in said.standing.items():
        its, state = line(agency, key[1]), said.state(key)
        its.clocks += 1
        its.met += state == State.MET
        its.breached += state == State.BREACHED
        its.open += state in (State.RUNNING, State.PAUSED)
    for clock in present.clocks.values():
        line(clock.agency, clock.stage).breached_now += clock.state is State.BREACHED
    return WhatIf(rules, [lines[place] for place in sorted(lines, key=lambda place: (place[0] or "", place[1]))])


def check(said: Said, draft: Folded, present: Folded) -> Checked:
    """Whether the two ways to the draft's side agree: what the run said, and what its rules make of the facts."""
    keys = sorted(said.standing.keys() | said.breaches.keys() | draft.clocks.keys())
    checked = Checked(CHECK, PROMISE, examined=len(keys))
    for complaint, why in [*draft.uncounted.items(), *present.uncounted.items()]:
        checked.findings.append(Finding(CHECK, f"complaint {complaint} cannot be counted: {why}"))
    for key in keys:
        told, counted = _told(said, key), _counted(draft.clocks.get(key))
        if told != counted:
            where = f"complaint {key[0]}, clock {key[1]}/{key[2]}"
            checked.findings.append(Finding(CHECK, f"{where}: the run said {told}, the draft gives {counted}"))
    return checked


def _told(said: Said, key: Key) -> str:
    state = said.state(key)
    if state == State.BREACHED and key not in said.breaches:
        return "breached, but not in Kafka"
    return _words(state, said.breaches.get(key))


def _counted(clock: Clock | None) -> str:
    if clock is None:
        return _words(None, None)
    return _words(clock.state.value, clock.due_at if clock.state is State.BREACHED else None)


def _words(state: str | None, at: datetime | None) -> str:
    return f"{state} at {at.astimezone(UTC).isoformat()}" if at else state or "nothing"


def overruled(draft: Folded, facts: Mapping[str, Sequence[Fact]]) -> set[str]:
    """Complaints whose date in the log binds nobody under the draft: it has no deadline for them by the rule `given`."""
    bound = {key[0] for key, clock in draft.clocks.items() if clock.rule.id == GIVEN}
    return facts.keys() - bound - draft.uncounted.keys()


def shown(lines: Sequence[Line], at_most: int) -> tuple[Sequence[Line], int]:
    """The lines to print, and how many without a change are left out, which is done only where there are too many."""
    if len(lines) <= at_most:
        return lines, 0
    changed = [line for line in lines if line.change]
    return changed, len(lines) - len(changed)
