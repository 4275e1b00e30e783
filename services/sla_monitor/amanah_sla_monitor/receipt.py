"""The receipt of a date: rule and version, law, calendar and version, each day counted or skipped and why.

It has the same words wherever it is shown: the API, `amanah explain --json` and the public calculator.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.clocks import Clock
from amanah_sla_monitor.domain.counting import Pause
from amanah_sla_monitor.domain.diff import Stored
from amanah_sla_monitor.domain.explanation import Day, explain
from amanah_sla_monitor.domain.rules import Rule
from amanah_sla_monitor.domain.thresholds import threshold


def receipt(clock: Clock, told: Stored | None) -> dict[str, Any]:
    """One clock of a complaint: how it stands, and how its date was counted."""
    return {
        "stage": clock.stage,
        "holder": clock.holder,
        "agency": clock.agency,
        "state": clock.state.value,
        "deadline_version": told.deadline_version if told else 1,
        "ended_at": _iso(clock.ended_at, clock.calendar),
        "ended_by": clock.ended_by,
        "source_ref": clock.source_ref,
        "pauses": [[_iso(p.start, clock.calendar), _iso(p.end, clock.calendar)] for p in clock.pauses],
    } | count(clock.rule, clock.calendar, clock.started_at, clock.due_at, clock.pauses, clock.extension)


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
    warnings: list[dict[str, str | None]] = []
    if calendar is not None:
        days = explain(rule.term, calendar, start, pauses, extension)
        for t in rule.thresholds:
            at = threshold(rule.term, calendar, start, t.percent, pauses=pauses, extension=extension)
            warnings.append({"name": t.name, "at": _iso(at, calendar)})
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
        "escalations": [
            {"level": e.level, "role": e.role, "after": e.after, "unit": e.unit.value} for e in rule.escalations
        ],
        "days": [{"date": d.day.isoformat(), "counted": d.counted, "reason": d.reason} for d in days],
        "law": rule.law,
        "source": rule.source,
        "verified": rule.verified,
    }


def _iso(instant: datetime | None, calendar: Calendar | None) -> str | None:
    if instant is None:
        return None
    return (calendar.local(instant) if calendar else instant).isoformat()
