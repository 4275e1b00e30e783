"""Explanation: each day of a count, counted or skipped, and why; anyone can recompute the date from it."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.counting import Count, Pause, count_days, due, effective_start_day, merged
from amanah_sla_monitor.domain.rules import CutOff, Roll, Term, Unit


class Day(NamedTuple):
    """One day of an explanation."""

    day: date
    counted: bool
    reason: str


def explain(
    term: Term, calendar: Calendar, start: datetime, pauses: Sequence[Pause] = (), extension: int = 0
) -> tuple[Day, ...]:
    """Each day from the day of receipt to the due day, counted or skipped, and why. A count that a pause holds is shown to
    the day of this pause. Of a date that the source promised there is no count to show."""
    if term.unit is Unit.GIVEN:
        return ()
    first_day = calendar.local(start).toordinal()
    if term.unit is Unit.HOUR:
        return tuple(_days_of_hours(term, calendar, start, pauses=pauses, extension=extension, first_day=first_day))
    effective = effective_start_day(term, calendar, start)
    days = [
        _before_the_count(term, calendar, ordinal, first_day, effective) for ordinal in range(first_day, effective + 1)
    ]
    if term.start_day_counts:
        days.pop()
        effective -= 1
    count = count_days(term, calendar, start, pauses, extension)
    days.extend(_days_of_count(term, calendar, count, effective))
    if count.standing is None:
        days.extend(_rolled_days(term, calendar, count.last_day))
    else:
        days.append(_standing(calendar, count.standing, max(effective, count.last_day) + 1))
    return tuple(days)


def _before_the_count(term: Term, calendar: Calendar, ordinal: int, first_day: int, effective: int) -> Day:
    day = date.fromordinal(ordinal)
    if ordinal == effective:
        return Day(day, False, "start day: counting begins the day after")
    off = calendar.why_off(ordinal)
    if off:
        return Day(
            day,
            False,
            f"received on a day off, belongs to the next working day; {off}" if ordinal == first_day else off,
        )
    return Day(day, False, f"received after {_cut_off_words(term)}, belongs to the next working day")


def _cut_off_words(term: Term) -> str:
    return "closing time" if isinstance(term.cut_off, CutOff) else f"{term.cut_off:%H:%M}"


def _days_of_count(term: Term, calendar: Calendar, count: Count, after: int) -> Iterator[Day]:
    working_days = term.unit is Unit.WORKING_DAY
    rank, number, excluded = count.first_rank, 0, count.excluded
    for ordinal in range(after + 1, count.last_day + 1):
        day = date.fromordinal(ordinal)
        off = calendar.why_off(ordinal) if working_days else None
        if off:
            yield Day(day, False, off)
            continue
        rank += 1
        if excluded and any(a < rank <= b for a, b in excluded):
            yield Day(day, False, "paused at the end of the day")
        else:
            number += 1
            yield Day(day, True, f"day {number}")


def _standing(calendar: Calendar, pause: Pause, ordinal: int) -> Day:
    since = calendar.local(pause.start)
    return Day(date.fromordinal(ordinal), False, f"the clock stands since {since:%Y-%m-%d %H:%M} and has no end yet")


def _rolled_days(term: Term, calendar: Calendar, last: int) -> Iterator[Day]:
    """The days that a roll adds: the days off after the last counted day, and the working day that takes its place."""
    if term.roll is Roll.NONE or calendar.is_working(last):
        return
    end = calendar.nth(calendar.rank(last) + 1)
    for ordinal in range(last + 1, end + 1):
        day = date.fromordinal(ordinal)
        yield Day(day, False, calendar.why_off(ordinal) or "the due date was a day off and moves to this working day")


def _days_of_hours(
    term: Term, calendar: Calendar, start: datetime, *, pauses: Sequence[Pause], extension: int, first_day: int
) -> Iterator[Day]:
    """Hours run through every day, also a day off; a day is counted if any time ran on it."""
    end = due(term, calendar, start, pauses, extension)
    spans = [p for p in merged(pauses) if end is None or p.start <= end]
    shown = end - timedelta(microseconds=1) if end is not None else max(start, spans[-1].start)
    for ordinal in range(first_day, calendar.local(shown).toordinal() + 1):
        begins = max(start, calendar.end_of_day(ordinal - 1))
        ends = min(end or calendar.end_of_day(ordinal), calendar.end_of_day(ordinal))
        stood = any(p.start <= begins and (p.end is None or p.end >= ends) for p in spans) and term.pause_budget is None
        touched = any(p.start < ends and (p.end is None or p.end > begins) for p in spans)
        reason = "paused all day" if stood else "hours run, without the time paused" if touched else "hours run"
        yield Day(date.fromordinal(ordinal), not stood, reason)
