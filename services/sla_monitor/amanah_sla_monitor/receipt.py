"""The receipt of a date: rule and version, law, calendar and version, each day counted or skipped and why.

It has the same words wherever it is shown: the API, `amanah explain --json` and the public calculator.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from amanah_sla_monitor.domain.ages import age
from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.clocks import Clock
from amanah_sla_monitor.domain.counting import Pause
from amanah_sla_monitor.domain.diff import Stored
from amanah_sla_monitor.domain.explanation import Day, explain
from amanah_sla_monitor.domain.rules import Rule, Unit
from amanah_sla_monitor.domain.thresholds import escalation, threshold


def receipt(clock: Clock, told: Stored | None, now: datetime | None = None) -> dict[str, Any]:
    """One clock of a complaint: how it stands, and how its date was counted; with `now` also how old it is, in seconds,
    gross (whatever stood still) and net of pauses."""
    found = {
        "stage": clock.stage,
        "holder": clock.holder,
        "agency": clock.agency,
        "state": clock.state.value,
        "deadline_version": told.deadline_version if told else 1,
        "ended_at": _iso(clock.ended_at, clock.calendar),
        "ended_by": clock.ended_by,
        "source_ref": clock.source_ref,
        "pauses": [[_iso(p.start, clock.calendar), _iso(p.end, clock.calendar)] for p in clock.pauses],
    }
    if now is not None:
        old = age(clock, now)
        found["age"] = {"gross": int(old.gross.total_seconds()), "net": int(old.net.total_seconds())}
    return found | count(clock.rule, clock.calendar, clock.started_at, clock.due_at, clock.pauses, clock.extension)


def count(
    rule: Rule,
    calendar: Calendar | None,
    start: datetime,
    due_at: datetime | None,
    pauses: Sequence[Pause] = (),
    extension: int = 0,
) -> dict[str, Any]:
    """How a date was counted, whoever asks. Instants are in the calendar's own zone, where there is one."""
    days: Sequence[Day] = ()
    warnings: list[dict[str, Any]] = []
    levels: list[dict[str, Any]] = []
    if calendar is not None:
        days = explain(rule.term, calendar, start, pauses, extension)
        for t in rule.thresholds:
            at = threshold(rule.term, calendar, start, t.percent, pauses=pauses, extension=extension)
            warnings.append({"name": t.name, "at": _iso(at, calendar)})
        for e in rule.escalations:
            at = None if due_at is None else escalation(e, due_at, calendar, rule.term.due_at)
            levels.append({"level": e.level, "role": e.role, "at": _iso(at, calendar)})
    return {
        "rule": rule.id,
        "version": rule.version,
        "unit": rule.term.unit.value,
        "length": rule.term.length + extension,
        "calendar": calendar.id if calendar else None,
        "calendar_version": calendar.version if calendar else None,
        "start": _iso(start, calendar),
        "due_at": _iso(due_at, calendar),
        "thresholds": warnings,
        "escalations": levels,
        "days": [{"date": d.day.isoformat(), "counted": d.counted, "reason": d.reason} for d in days],
        "law": rule.law,
        "basis": rule.basis.value,
        "source": rule.source,
        "verified": rule.verified,
        "notes": list(_notes(rule, calendar, start, days, pauses=pauses, extension=extension)),
    }


def _notes(
    rule: Rule,
    calendar: Calendar | None,
    start: datetime,
    days: Sequence[Day],
    *,
    pauses: Sequence[Pause],
    extension: int,
) -> Iterator[str]:
    """What a reader must know of this date besides: doubts of the rule, and of the years it was counted in."""
    if rule.caveat:
        yield rule.caveat
    if calendar is None:
        return
    if not rule.in_force(calendar.local(start).date()):
        yield f"Rule {rule.id} version {rule.version} was not in force on the day of the start."
    if extension and rule.extension:
        article = f" by {rule.extension.article}" if rule.extension.article else ""
        yield f"Extended by {extension}{article}{', which must be said in writing' if rule.extension.in_writing else ''}."
    if pauses and rule.term.unit is Unit.MONTH:
        yield "A term of months knows no pause."
    if days and (rule.term.unit is Unit.WORKING_DAY or rule.thresholds):
        for caveat in calendar.caveats(days[0].day, days[-1].day):
            yield f"Calendar {calendar.label}, {caveat}."


def _iso(instant: datetime | None, calendar: Calendar | None) -> str | None:
    if instant is None:
        return None
    return (calendar.local(instant) if calendar else instant).isoformat()
