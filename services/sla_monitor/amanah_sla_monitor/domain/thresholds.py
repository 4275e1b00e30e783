"""Warnings: when a clock is said to be at risk. Always in office hours: a warning at night helps nobody."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.explanation import explain
from amanah_sla_monitor.domain.rules import Term, Unit


def threshold(
    term: Term,
    calendar: Calendar,
    start: datetime,
    percent: int | None,
    *,
    pauses: Sequence[Pause] = (),
    extension: int = 0,
) -> datetime | None:
    """When a warning fires: at the opening of the ceil(p·n/100)-th counted day, of the n-th for `percent` None. On a day
    off it waits for the next opening; if that comes too late it is said at the last opening before. None: no such moment."""
    end = due(term, calendar, start, pauses, extension)
    if end is None:
        return None
    if term.unit is Unit.HOUR:
        hours = term.length + extension
        share = timedelta(hours=hours) * (100 - percent) / 100 if percent is not None else timedelta(days=1)
        return _office_moment(calendar, max(end - share, start), start, end)
    counted = [d for d in explain(term, calendar, start, pauses, extension) if d.counted]
    if not counted:
        return None
    number = len(counted) if percent is None else max(1, -(-percent * len(counted) // 100))
    day = counted[min(number, len(counted)) - 1].day.toordinal()
    opening = calendar.opening(day)
    return opening if opening is not None else _office_moment(calendar, calendar.end_of_day(day - 1), start, end)


def _office_moment(calendar: Calendar, instant: datetime, start: datetime, end: datetime) -> datetime | None:
    """The instant itself in office hours; else the next opening before `end`; else the last opening between start and it."""
    if calendar.is_open(instant):
        return instant
    ordinal = calendar.local(instant).toordinal()
    rank = calendar.rank(ordinal)
    today = calendar.opening(ordinal)
    following = today if today is not None and today > instant else calendar.opening(calendar.nth(rank + 1))
    if following is not None and following < end:
        return following
    last = calendar.opening(calendar.nth(rank))
    return last if last is not None and last > start else None
