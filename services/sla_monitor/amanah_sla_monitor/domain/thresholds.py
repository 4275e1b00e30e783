"""Warnings before the due instant and levels after it: at which instant each is said.

A warning is always said in office hours: at night it helps nobody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.counting import Pause, count_days, due, nth_day, run_hours
from amanah_sla_monitor.domain.rules import CutOff, DueAt, Escalation, Term, Unit, term


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
    off it waits for the next opening; if that comes too late it is said at the last opening before. None: no such moment,
    or none yet, since a pause holds the clock before it."""
    if term.unit is Unit.HOUR:
        return _of_hours(term, calendar, start, percent, pauses=pauses, extension=extension)
    count = count_days(term, calendar, start, pauses, extension)
    number = count.reached if count.standing is None else term.length + extension
    if percent is not None:
        number = -(-percent * number // 100)
    rank = count.rank(number)
    if rank is None:
        return None
    day = nth_day(term, calendar, rank)
    opening = calendar.opening(day)
    if opening is not None and opening >= start:
        return opening
    latest = due(term, calendar, start, pauses, extension) if count.standing is None else count.standing.start
    assert latest is not None, "only a count that stands has no end"
    # A day off; or the start day itself, by a rule that counts it, when the office had opened before the start.
    moment = calendar.end_of_day(day - 1) if opening is None else start
    return _office_moment(calendar, moment, start, latest)


def _of_hours(
    term: Term,
    calendar: Calendar,
    start: datetime,
    percent: int | None,
    *,
    pauses: Sequence[Pause],
    extension: int,
) -> datetime | None:
    """After that share of the hours has run; the last day is the last 24 hours."""
    end = due(term, calendar, start, pauses, extension)
    if end is None:
        return None
    hours = timedelta(hours=term.length + extension)
    share = hours - timedelta(days=1) if percent is None else hours * percent / 100
    moment = run_hours(term, start, max(share, timedelta()), pauses)
    return None if moment is None else _office_moment(calendar, moment, start, end)


def _office_moment(calendar: Calendar, instant: datetime, start: datetime, end: datetime) -> datetime | None:
    """The instant itself in office hours; else the next opening before `end`; else the last opening between start and it."""
    if instant < end and calendar.is_open(instant):
        return instant
    ordinal = calendar.local(instant).toordinal()
    before, after = calendar.rank(ordinal - 1), calendar.rank(ordinal)
    blocks = calendar.openings(ordinal)
    following = next((o for o in blocks if o > instant), None) or calendar.opening(calendar.nth(after + 1))
    if following is not None and following < end:
        return following
    begun = [o for o in blocks if o <= instant and o < end]
    last = begun[0] if begun else calendar.opening(calendar.nth(before))
    return last if last is not None and last > start else None


def escalation(level: Escalation, due_at: datetime, calendar: Calendar, at: DueAt = DueAt.END_OF_DAY) -> datetime:
    """When a level is reached, if the case is unanswered until then: at the due instant itself for a limit of 0, else at the
    end of the so-manieth day after the due day (of the office day, where the term ends with it); hours run from the due
    instant."""
    if level.after == 0:
        return due_at
    limit = term(level.unit, level.after, cut_off=CutOff.NONE, day_off_start_moves=False, due_at=at)
    # The midnight that ends the due day belongs to the next day; the moment before it does not.
    begin = due_at if level.unit is Unit.HOUR else due_at - timedelta(microseconds=1)
    reached = due(limit, calendar, begin)
    assert reached is not None, "a limit without pauses has an end"
    return reached
