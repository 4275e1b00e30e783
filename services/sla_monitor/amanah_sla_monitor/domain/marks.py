"""Marks: every instant at which a clock wants to be looked at, and what is to be said then.

      start ──── half ──── eighty ──── last_day ──── due ──── level 1 ──── level 2 ──▶
                 at_risk, while it runs               breach   escalation, while it is unanswered

A mark's name is its key, by which each is said once, and for a level also whom it calls upon: `at_risk/half`, `due`,
`escalation/2|kepala_opd|banjar-pupr`, or `escalation/3|sekda|!no_superior` where there is nobody. A level that can call upon
nobody calls upon the level after it at once.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.clocks import Clock, State
from amanah_sla_monitor.domain.offices import Offices
from amanah_sla_monitor.domain.thresholds import escalation, threshold

DUE = "due"
AT_RISK = "at_risk"
ESCALATION = "escalation"


class Mark(NamedTuple):
    """One such instant."""

    at: datetime
    name: str

    @property
    def key(self) -> str:
        """What is said once: the name without whom it calls upon."""
        return self.name.partition("|")[0]


class Level(NamedTuple):
    """A mark of escalation, read."""

    number: int
    role: str
    office: str | None
    why_not: str | None


def marks(clock: Clock, offices: Offices) -> tuple[Mark, ...]:
    """The marks of a clock in the order of time. None where it has ended, or has only its due instant."""
    rule, calendar = clock.rule, clock.calendar
    if calendar is None or clock.ended_at is not None or not (rule.thresholds or rule.escalations):
        return ()
    found = [*_warnings(clock, calendar)]
    if clock.due_at is not None:
        found += [Mark(clock.due_at, DUE), *_levels(clock, clock.due_at, calendar, offices)]
    return tuple(sorted(found, key=lambda mark: mark.at))


def _warnings(clock: Clock, calendar: Calendar) -> Iterator[Mark]:
    if clock.state is State.BREACHED:
        return  # it is too late to warn
    for t in clock.rule.thresholds:
        at = threshold(
            clock.rule.term, calendar, clock.started_at, t.percent, pauses=clock.pauses, extension=clock.extension
        )
        if at is not None and (clock.due_at is None or at < clock.due_at):
            yield Mark(at, f"{AT_RISK}/{t.name}")


def _levels(clock: Clock, due_at: datetime, calendar: Calendar, offices: Offices) -> Iterator[Mark]:
    at_once: datetime | None = None
    for level in clock.rule.escalations:
        at = at_once or escalation(level, due_at, calendar, clock.rule.term.due_at)
        office, why_not = offices.call(level.role, clock.agency)
        at_once = at if why_not else None
        yield Mark(at, f"{ESCALATION}/{level.level}|{level.role}|{f'!{why_not}' if why_not else office}")


def level_of(name: str) -> Level:
    """What the name of a mark of escalation says."""
    key, role, office = name.split("|")
    number = int(key.partition("/")[2])
    return Level(number, role, None, office[1:]) if office.startswith("!") else Level(number, role, office, None)
