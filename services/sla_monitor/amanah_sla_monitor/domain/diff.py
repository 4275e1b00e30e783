"""The difference between the clocks as stored and as folded, as decisions: what has to be said and recorded.

Stored clocks are a cache of what was said last. Every fact that arrives, and every tick, asks the same question here, so a
late fact, a duplicate and a fact in time are one code path.

    stored \\ folded   running, paused   met               breached   cancelled
    (nothing)         started           started, met      started…   started, cancelled
    running, paused   –                 met               breached   cancelled
    breached          withdrawn         withdrawn, met    –          withdrawn, cancelled
    met               started again     –                 breached   cancelled
    cancelled         started again     met               breached   –

A due date on another ground (start, law, promise) begins a new deadline version.
A finished clock never changes because the law changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from amanah_sla_monitor.domain.clocks import Clock, State
from amanah_sla_monitor.domain.rules import Unit

FINISHED = frozenset({State.MET, State.BREACHED, State.CANCELLED})

Key = tuple[str, int]
"""Stage and holder."""


class What(StrEnum):
    """What has happened to a clock; the event's name is `deadline.` and this word."""

    STARTED = "started"
    MET = "met"
    BREACHED = "breached"
    BREACH_WITHDRAWN = "breach_withdrawn"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Stored:
    """A clock as it was last told of."""

    stage: str
    holder: int
    rule: str
    rule_version: str
    calendar: str | None
    deadline_version: int
    agency: str | None
    state: State
    started_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    next_fire_at: datetime | None
    source_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to say about a clock. `about` is the deadline as it was said before, where that differs (a withdrawal)."""

    what: What
    clock: Clock
    deadline_version: int
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What to say, in order, and the rows that are no longer as stored."""

    decisions: tuple[Decision, ...]
    changed: tuple[Stored, ...]


NOTHING = Difference((), ())
_ENDING = {State.MET: What.MET, State.BREACHED: What.BREACHED, State.CANCELLED: What.CANCELLED}


def diff(stored: Mapping[Key, Stored], folded: Iterable[Clock]) -> Difference:
    """Compares clock by clock."""
    decisions: list[Decision] = []
    changed: list[Stored] = []
    for clock in folded:
        before = stored.get((clock.stage, clock.holder))
        after = row(clock, before)
        if before is not None and (after == before or _law_changed_after_the_end(before, after)):
            continue
        decisions.extend(_decisions(before, after, clock))
        changed.append(after)
    return Difference(tuple(decisions), tuple(changed)) if changed else NOTHING


def row(clock: Clock, before: Stored | None = None) -> Stored:
    """The stored form of a folded clock."""
    version = 1
    if before is not None:
        version = before.deadline_version + _moved(before, clock)
    return Stored(
        clock.stage,
        clock.holder,
        clock.rule.id,
        clock.rule.version,
        clock.calendar.label if clock.calendar else None,
        version,
        clock.agency,
        clock.state,
        clock.started_at,
        clock.due_at,
        clock.ended_at,
        clock.due_at if clock.state in (State.RUNNING, State.PAUSED) else None,
        clock.source_ref,
    )


def _moved(before: Stored, clock: Clock) -> bool:
    """Whether the ground of the deadline is another than before, and with it the date: another start, law or promise. What
    pauses and extensions do to a date belongs to the deadline as it was given."""
    if clock.due_at == before.due_at or clock.due_at is None:
        return False
    label = clock.calendar.label if clock.calendar else None
    ground = (clock.started_at, clock.rule.id, clock.rule.version, label)
    return clock.rule.term.unit is Unit.GIVEN or ground != (
        before.started_at,
        before.rule,
        before.rule_version,
        before.calendar,
    )


def _law_changed_after_the_end(before: Stored, after: Stored) -> bool:
    return before.state in FINISHED and (before.rule, before.rule_version, before.calendar) != (
        after.rule,
        after.rule_version,
        after.calendar,
    )


def _decisions(before: Stored | None, after: Stored, clock: Clock) -> Iterable[Decision]:
    if before is not None and before.state is State.BREACHED and _taken_back(before, after):
        yield Decision(What.BREACH_WITHDRAWN, clock, before.deadline_version, before.due_at)
    if _starts(before, after):
        yield Decision(What.STARTED, clock, after.deadline_version, after.due_at)
    ending = _ENDING.get(clock.state)
    if ending and (before is None or before.state is not clock.state or _taken_back(before, after)):
        yield Decision(ending, clock, after.deadline_version, after.due_at)


def _taken_back(before: Stored, after: Stored) -> bool:
    """Whether what was said of the end no longer holds: another end, or another deadline."""
    return before.state is not after.state or before.deadline_version != after.deadline_version


def _starts(before: Stored | None, after: Stored) -> bool:
    """A new clock, a new deadline for an old one, or a clock that had ended and runs again."""
    if before is None or before.deadline_version != after.deadline_version:
        return True
    return before.state in (State.MET, State.CANCELLED) and after.state in (State.RUNNING, State.PAUSED)
