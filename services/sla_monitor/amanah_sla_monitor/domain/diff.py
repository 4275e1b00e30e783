"""The difference between the clocks as stored and as folded, as decisions: what has to be said and recorded.

Stored clocks are a cache of what was said last. Every fact that arrives and every change of the law asks the same question
here, so a late fact, a duplicate, a new holiday and a fact in time are one code path.

    stored \\ folded   running            paused             met               breached           cancelled
    (nothing)         started            started, paused    started, met      started, breached  started, cancelled
    running           –                  paused             met               breached           cancelled
    paused            resumed            –                  met               breached           cancelled
    breached          withdrawn          withdrawn, paused  withdrawn, met    –                  withdrawn, cancelled
    met, cancelled    started again      started again …    met / –           breached           – / cancelled

A due instant on another ground (start, law, promise), or moved by facts learnt of late, begins a new deadline version:
recalculated. What a pause does to it while we watch belongs to the deadline as it was given.
A finished clock never changes because the law changed. A running one that the law knows no more is cancelled.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from amanah_sla_monitor.domain.clocks import Clock, State
from amanah_sla_monitor.domain.facts import ROUTED
from amanah_sla_monitor.domain.marks import DUE, Mark, marks
from amanah_sla_monitor.domain.offices import NO_OFFICES, Offices
from amanah_sla_monitor.domain.rules import Unit

OPEN = frozenset({State.RUNNING, State.PAUSED})
ENDED = frozenset({State.MET, State.CANCELLED})

Key = tuple[str, int]
"""Stage and holder."""

NO_RULE = "no rule"
"""Why a clock is cancelled that the fold does not know any more."""


class What(StrEnum):
    """What has happened to a clock; the event's name is `deadline.` and this word."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    RECALCULATED = "recalculated"
    MET = "met"
    BREACHED = "breached"
    BREACH_WITHDRAWN = "breach_withdrawn"
    CANCELLED = "cancelled"


class Ground(StrEnum):
    """Why a due instant is another than before."""

    RULE = "rule"
    CALENDAR = "calendar"
    START = "start"
    PROMISE = "promise"
    FACTS = "facts"


class Stored(NamedTuple):
    """A clock as it was last told of: its key, by which law it is counted, what that gives, and how it stands."""

    stage: str
    holder: int

    rule: str
    rule_version: str
    calendar: str | None

    deadline_version: int
    due_at: datetime | None
    next_fire_at: datetime | None
    """The earliest mark not said yet."""
    marks: tuple[Mark, ...]

    agency: str | None
    state: State
    started_at: datetime
    ended_at: datetime | None
    source_ref: str | None


class Decision(NamedTuple):
    """One thing to say about a clock."""

    what: What
    row: Stored
    """The clock as it stands now; of a withdrawal with the version and due instant of the breach that is taken back."""
    at: datetime
    """When it happened."""
    why: str | None = None
    """What brought it about: a fact's kind, a ground, NO_RULE."""
    previous_due_at: datetime | None = None

    @property
    def deadline_version(self) -> int:
        return self.row.deadline_version

    @property
    def due_at(self) -> datetime | None:
        return self.row.due_at


@dataclass(frozen=True, slots=True)
class Difference:
    """What to say, in order, and the rows that are no longer as stored."""

    decisions: tuple[Decision, ...]
    changed: tuple[Stored, ...]


NOTHING = Difference((), ())


def diff(
    stored: Mapping[Key, Stored], folded: Iterable[Clock], now: datetime, offices: Offices = NO_OFFICES
) -> Difference:
    """Compares clock by clock, as they stand at `now`, the instant that was folded for."""
    decisions: list[Decision] = []
    changed: list[Stored] = []
    gone = dict(stored)
    for clock in folded:
        before = gone.pop((clock.stage, clock.holder), None)
        if before is not None and law_changed_after_the_end(before, clock):
            after = _as_the_old_law_ends(before, clock)
        else:
            after = row(clock, now, before, offices)
        if after != before:
            decisions.extend(_decisions(before, after, clock, now))
            changed.append(after)
    for before in gone.values():
        if before.state in OPEN:
            after = before._replace(state=State.CANCELLED, ended_at=now, next_fire_at=None, marks=())
            decisions.append(Decision(What.CANCELLED, after, now, NO_RULE))
            changed.append(after)
    return Difference(tuple(decisions), tuple(changed)) if changed else NOTHING


def row(clock: Clock, now: datetime, before: Stored | None = None, offices: Offices = NO_OFFICES) -> Stored:
    """The stored form of a folded clock."""
    marked = marks(clock, offices)
    return Stored(
        clock.stage,
        clock.holder,
        clock.rule.id,
        clock.rule.version,
        _calendar(clock),
        1 if before is None else before.deadline_version + (_moved(before, clock) is not None),
        clock.due_at,
        _next_fire(clock, marked, before, now),
        marked,
        clock.agency,
        clock.state,
        clock.started_at,
        clock.ended_at,
        clock.source_ref,
    )


def _calendar(clock: Clock) -> str | None:
    return clock.calendar.label if clock.calendar else None


def _next_fire(clock: Clock, marked: tuple[Mark, ...], before: Stored | None, now: datetime) -> datetime | None:
    """The earliest mark that lies ahead, or has passed without being said."""
    if clock.state in OPEN:
        wanted: Iterable[Mark] = marked or ([Mark(clock.due_at, DUE)] if clock.due_at else ())
    elif clock.state is State.BREACHED and clock.ended_at is None:
        wanted = (mark for mark in marked if mark.name != DUE)
    else:
        return None
    ahead, passed = None, []
    for mark in wanted:  # in the order of time
        if mark.at > now:
            ahead = mark.at
            break
        passed.append(mark)
    if passed:
        said = _said(before) if before else frozenset()
        return next((mark.at for mark in passed if mark.key not in said), ahead)
    return ahead


def _said(before: Stored) -> frozenset[str]:
    if before.state in ENDED:
        return frozenset(mark.key for mark in before.marks)
    upto = before.next_fire_at
    return frozenset(mark.key for mark in before.marks if upto is None or mark.at < upto)


def _moved(before: Stored, clock: Clock) -> Ground | None:
    """Why the due instant is another than before, where that makes it another deadline."""
    if clock.due_at == before.due_at or clock.due_at is None:
        return None
    if (clock.rule.id, clock.rule.version) != (before.rule, before.rule_version):
        return Ground.RULE
    if _calendar(clock) != before.calendar:
        return Ground.CALENDAR
    if clock.started_at != before.started_at:
        return Ground.START
    if clock.rule.term.unit is Unit.GIVEN:
        return Ground.PROMISE
    watched = before.due_at is None or State.PAUSED in (before.state, clock.state) or before.state in ENDED
    return None if watched else Ground.FACTS


def law_changed_after_the_end(before: Stored, clock: Clock) -> bool:
    """Whether a clock was finished by another law than it is folded by now."""
    return before.state not in OPEN and (before.rule, before.rule_version, before.calendar) != (
        clock.rule.id,
        clock.rule.version,
        _calendar(clock),
    )


def _as_the_old_law_ends(before: Stored, clock: Clock) -> Stored:
    """A finished clock keeps the date of its own law. Only an answer to a breach that has not been answered yet is heard: in
    time by that date, the breach never was; later, it ends the escalation."""
    if before.state is not State.BREACHED or clock.ended_at is None or before.due_at is None:
        return before
    ended = before._replace(ended_at=clock.ended_at, next_fire_at=None, marks=())
    if clock.ended_at > before.due_at:
        return ended
    return ended._replace(state=State.CANCELLED if clock.ended_by == ROUTED else State.MET)


def _decisions(before: Stored | None, after: Stored, clock: Clock, now: datetime) -> Iterator[Decision]:
    moved = before is not None and before.deadline_version != after.deadline_version
    if before is not None and before.state is State.BREACHED and (moved or before.state is not after.state):
        taken_back = after._replace(deadline_version=before.deadline_version, due_at=before.due_at)
        yield Decision(What.BREACH_WITHDRAWN, taken_back, after.ended_at or now, clock.ended_by)
    if before is None or (before.state in ENDED and (moved or after.state in OPEN)):
        yield Decision(What.STARTED, after, after.started_at)
    elif moved:
        yield Decision(What.RECALCULATED, after, now, _moved(before, clock), before.due_at)
    was = before.state if before is not None and before.state not in ENDED else State.RUNNING
    match after.state:
        case State.PAUSED if was is not State.PAUSED:
            yield Decision(What.PAUSED, after, clock.pauses[-1].start)
        case State.RUNNING if was is State.PAUSED:
            yield Decision(What.RESUMED, after, _resumed_at(clock, now))
    if before is None or before.state is not after.state or moved:
        yield from _ending(after, clock, now)


def _resumed_at(clock: Clock, now: datetime) -> datetime:
    """The end of the last pause; now, where a pause never was after all."""
    return (clock.pauses[-1].end if clock.pauses else None) or now


def _ending(after: Stored, clock: Clock, now: datetime) -> Iterator[Decision]:
    match after.state:
        case State.MET | State.CANCELLED:
            what = What.MET if after.state is State.MET else What.CANCELLED
            yield Decision(what, after, after.ended_at or now, clock.ended_by)
        case State.BREACHED if after.due_at is not None:
            yield Decision(What.BREACHED, after, after.due_at)
