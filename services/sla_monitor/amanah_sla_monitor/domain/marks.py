"""Marks: every instant at which a clock wants to be looked at, and what is to be said then.

      start ──── half ──── eighty ──── last_day ──── due ──── level 1 ──── level 2 ──▶
                 at_risk, while it runs               breach   escalation, while it is unanswered

A mark's name is its key, by which each is said once, and for a level also whom it calls upon: `at_risk/half`, `due`,
`escalation/2|kepala_opd|banjar-pupr`, or `escalation/3|sekda|!no_superior` where there is nobody. A level that can call upon
nobody calls upon the level after it at once.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.clocks import Clock, State
from amanah_sla_monitor.domain.counting import Pause, effective_start_day
from amanah_sla_monitor.domain.offices import Offices
from amanah_sla_monitor.domain.rules import Rule, Unit
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
    # It is too late to warn of a breach.
    warnings = () if clock.state is State.BREACHED else _warnings(clock, calendar)
    return warnings if clock.due_at is None else _until(rule, calendar, warnings, clock.due_at, clock.agency, offices)


Marks = tuple[Mark, ...]


def _warnings(clock: Clock, calendar: Calendar) -> Marks:
    """Where days are counted without a pause, the start day decides, and thousands of clocks share one."""
    rule, start = clock.rule, clock.started_at
    if not clock.pauses and rule.term.unit is not Unit.HOUR and not rule.term.start_day_counts:
        day = effective_start_day(rule.term, calendar, start)
        found = _warnings_from(rule, calendar, calendar.end_of_day(day - 1), (), clock.extension)
        if all(mark.at > start for mark in found):
            return found
    return _warnings_from(rule, calendar, start, clock.pauses, clock.extension)


@lru_cache(maxsize=4096)
def _warnings_from(rule: Rule, calendar: Calendar, start: datetime, pauses: tuple[Pause, ...], extension: int) -> Marks:
    instants = (
        (t.name, threshold(rule.term, calendar, start, t.percent, pauses=pauses, extension=extension))
        for t in rule.thresholds
    )
    return tuple(Mark(at, f"{AT_RISK}/{name}") for name, at in instants if at is not None)


@lru_cache(maxsize=4096)
def _until(
    rule: Rule, calendar: Calendar, warnings: Marks, due_at: datetime, agency: str | None, offices: Offices
) -> Marks:
    """Warnings that come before the due instant, the due instant, the levels after it. Deadlines cluster, so many clocks of
    an agency share them."""
    ahead = [mark for mark in warnings if mark.at < due_at]
    return tuple(sorted([*ahead, Mark(due_at, DUE), *_levels(rule, calendar, due_at, agency, offices)]))


def _levels(rule: Rule, calendar: Calendar, due_at: datetime, agency: str | None, offices: Offices) -> Iterator[Mark]:
    at_once: datetime | None = None
    for level in rule.escalations:
        at = at_once or escalation(level, due_at, calendar, rule.term.due_at)
        office, why_not = offices.call(level.role, agency)
        at_once = at if why_not else None
        yield Mark(at, f"{ESCALATION}/{level.level}|{level.role}|{f'!{why_not}' if why_not else office}")


def level_of(name: str) -> Level:
    """What the name of a mark of escalation says."""
    key, role, office = name.split("|")
    number = int(key.partition("/")[2])
    return Level(number, role, None, office[1:]) if office.startswith("!") else Level(number, role, office, None)
