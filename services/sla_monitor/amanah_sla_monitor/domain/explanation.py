"""Explanation: each day of a count, counted or skipped, and why; anyone can recompute the date from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.counting import Count, Pause, count_days, effective_start_day, merged, month_day, rank_of
from amanah_sla_monitor.domain.rules import CutOff, Roll, Term, Unit


@dataclass(frozen=True, slots=True)
class Day:
    """One day of an explanation."""

    day: date
    counted: bool
    reason: str


def explain(
    term: Term, calendar: Calendar, start: datetime, pauses: Sequence[Pause] = (), extension: int = 0
) -> tuple[Day, ...]:
    """Each day from the day of receipt to the due day, counted or skipped, and why. Hour terms have no days to show, and
    an unended count is shown to the day before the pause that holds it."""
    if term.unit is Unit.HOUR or term.unit is Unit.GIVEN:
        return ()
    first_day = calendar.local(start).toordinal()
    effective = effective_start_day(term, calendar, start)
    days = [
        _before_the_count(term, calendar, ordinal, first_day, effective) for ordinal in range(first_day, effective + 1)
    ]
    if term.start_day_counts:
        days.pop()
        effective -= 1
    days.extend(_days_of_count(term, calendar, start, pauses=pauses, extension=extension, after=effective))
    return tuple(days)


def _before_the_count(term: Term, calendar: Calendar, ordinal: int, first_day: int, effective: int) -> Day:
    day = date.fromordinal(ordinal)
    if ordinal == effective:
        return Day(day, False, "start day: counting begins the day after")
    off = calendar.reason_off(day)
    if off:
        return Day(
            day,
            False,
            f"received on a day off, belongs to the next working day; {off}" if ordinal == first_day else off,
        )
    return Day(day, False, f"received after {_cut_off_words(term)}, belongs to the next working day")


def _cut_off_words(term: Term) -> str:
    return "closing time" if isinstance(term.cut_off, CutOff) else f"{term.cut_off:%H:%M}"


def _days_of_count(
    term: Term, calendar: Calendar, start: datetime, *, pauses: Sequence[Pause], extension: int, after: int
) -> Iterator[Day]:
    shown = _shown(term, calendar, start, pauses, extension)
    number = 0
    for ordinal in range(after + 1, shown.last_day + 1):
        day = date.fromordinal(ordinal)
        off = calendar.reason_off(day) if term.unit is Unit.WORKING_DAY else None
        rank = rank_of(term, calendar, ordinal)
        if off:
            yield Day(day, False, off)
        elif any(a < rank <= b for a, b in shown.excluded):
            yield Day(day, False, "paused at the end of the day")
        else:
            number += 1
            yield Day(day, True, f"day {number}")
    yield from _rolled_days(term, calendar, shown.last_day)


def _shown(term: Term, calendar: Calendar, start: datetime, pauses: Sequence[Pause], extension: int) -> Count:
    """The count to show: whole, or as far as it came before an open pause."""
    if term.unit is Unit.MONTH:
        last = month_day(term, calendar, start, extension)
        return Count(0, last, last, ())
    return count_days(term, calendar, start, pauses, extension) or _count_up_to_open_pause(
        term, calendar, start, pauses
    )


def _rolled_days(term: Term, calendar: Calendar, last: int) -> Iterator[Day]:
    """The days that a roll adds: the days off after the last counted day, and the working day that takes its place."""
    if term.roll is Roll.NONE or calendar.is_working(last):
        return
    end = calendar.nth(calendar.rank(last) + 1)
    for ordinal in range(last + 1, end + 1):
        day = date.fromordinal(ordinal)
        yield Day(day, False, calendar.reason_off(day) or "the due date was a day off and moves to this working day")


def _count_up_to_open_pause(term: Term, calendar: Calendar, start: datetime, pauses: Sequence[Pause]) -> Count:
    """What has been counted before the pause that still stands."""
    *closed, standing = merged(pauses)
    eve = calendar.local(standing.start).toordinal() - 1
    first = rank_of(term, calendar, effective_start_day(term, calendar, start)) - term.start_day_counts
    excluded = tuple(
        (
            rank_of(term, calendar, calendar.local(p.start).toordinal() - 1),
            rank_of(term, calendar, calendar.local(p.end).toordinal() - 1),
        )
        for p in closed
        if p.end is not None
    )
    return Count(first, rank_of(term, calendar, eve), eve, excluded)
