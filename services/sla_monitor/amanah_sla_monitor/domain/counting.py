"""Counting: from a start, a term and a calendar to the instant a clock runs out, and to each day's reason.

A day counts if it is a counting day of the term (working or calendar day), lies after the effective start day, and the clock
is running at its end. The end of the n-th counted day is the due instant. Counting days are numbered (their *rank*), so a
pause is a range of ranks that pushes the target further, and no loop goes day by day:

    ranks   …  s │ s+1  s+2 [s+3  s+4] s+5 │           start day has rank s, n = 3, two days excluded by a pause:
               ▲   1st  2nd   –    –   3rd ▲ due       target s+3 becomes s+5

Hour terms run through nights and holidays and move by the exact time paused. Month terms know no pause.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from amanah_sla_monitor.domain.calendars import Calendar, OutOfCalendar
from amanah_sla_monitor.domain.rules import CutOff, DueAt, Roll, Term, Unit


@dataclass(frozen=True, slots=True)
class Pause:
    """The clock stood from `start` until `end`; None: it still stands."""

    start: datetime
    end: datetime | None


def due(
    term: Term, calendar: Calendar, start: datetime, pauses: Sequence[Pause] = (), extension: int = 0
) -> datetime | None:
    """When the clock runs out, in UTC. None: an open pause leaves no such instant. OutOfCalendar: beyond all calendars."""
    try:
        if term.unit is Unit.HOUR:
            return run_hours(term, start, timedelta(hours=term.length + extension), pauses)
        if not pauses:
            return _due_by_day(term, calendar, effective_start_day(term, calendar, start), extension)
        count = count_days(term, calendar, start, pauses, extension)
        return None if count.standing else _due_instant(term, calendar, count.last_day)
    except OverflowError as overflow:
        raise OutOfCalendar(f"{term.length + extension} {term.unit} from {start} is no date") from overflow


@lru_cache(maxsize=8192)
def _due_by_day(term: Term, calendar: Calendar, day: int, extension: int) -> datetime:
    """Without a pause the effective start day decides, and thousands of clocks share one."""
    if term.unit is Unit.MONTH:
        return _due_instant(term, calendar, _month_day(term, day, extension))
    target = rank_of(term, calendar, day) - term.start_day_counts + term.length + extension
    return _due_instant(term, calendar, nth_day(term, calendar, target))


def merged(pauses: Sequence[Pause]) -> list[Pause]:
    """Pauses in order, overlapping and touching ones as one; empty and backward ones left out."""
    result: list[Pause] = []
    for pause in sorted((p for p in pauses if p.end is None or p.end > p.start), key=lambda p: p.start):
        last = result[-1] if result else None
        if last is None or (last.end is not None and pause.start > last.end):
            result.append(pause)
        elif last.end is not None and (pause.end is None or pause.end > last.end):
            result[-1] = Pause(last.start, pause.end)
    return result


# -- days ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """The outcome of counting days: where it began, how far it came, and the ranges of ranks that pauses excluded."""

    first_rank: int
    """Days up to this rank are not counted: they end with the effective start day."""
    last_rank: int
    """Of the n-th counted day; of a count that stands, of the last day before."""
    last_day: int
    excluded: tuple[tuple[int, int], ...] = ()
    """Each (a, b]: ranks a+1 … b. In order, none overlapping."""
    standing: Pause | None = None
    """The open pause that holds the count, which then has no end."""

    @property
    def reached(self) -> int:
        """How many days have been counted."""
        return self.last_rank - self.first_rank - sum(b - a for a, b in self.excluded)

    def rank(self, number: int) -> int | None:
        """The rank of the so-manieth counted day; None for one that the count has not come to."""
        rank = self.first_rank + number
        for a, b in self.excluded:
            if rank > a:
                rank += b - a
        return rank if number > 0 and rank <= self.last_rank else None


def count_days(
    term: Term, calendar: Calendar, start: datetime, pauses: Sequence[Pause] = (), extension: int = 0
) -> Count:
    """Counts days or months. Not for hours."""
    if term.unit is Unit.MONTH:
        first = effective_start_day(term, calendar, start) - term.start_day_counts
        last = month_day(term, calendar, start, extension)
        return Count(first, last, last)
    first = _first_rank(term, calendar, start)
    target = first + term.length + extension
    if not pauses:
        return Count(first, target, nth_day(term, calendar, target))
    excluded: list[tuple[int, int]] = []
    covered, budget = first, term.pause_budget
    for pause in merged([p for p in pauses if p.end is None or p.end > start]):
        if pause.start > _due_instant(term, calendar, nth_day(term, calendar, target)):
            break  # the term had run out before this pause could stop it, and so before every later one
        paused_on = calendar.local(max(pause.start, start)).toordinal()
        begin = max(rank_of(term, calendar, paused_on - 1), covered)
        if begin >= target:
            break
        end = _excluded_to(term, calendar, pause, begin, budget)
        if end is None:
            return Count(first, begin, paused_on - 1, tuple(excluded), pause)
        if end > begin:
            excluded.append((begin, end))
            target += end - begin
            covered = end
            budget = None if budget is None else budget - (end - begin)
    return Count(first, target, nth_day(term, calendar, target), tuple(excluded))


def _excluded_to(term: Term, calendar: Calendar, pause: Pause, begin: int, budget: int | None) -> int | None:
    """The rank up to which a pause excludes days: of the day before its resumption, as far as the budget goes. None: an open
    pause without a budget has no such rank."""
    if pause.end is None:
        return None if budget is None else begin + budget
    end = rank_of(term, calendar, calendar.local(pause.end).toordinal() - 1)
    return end if budget is None else min(end, begin + budget)


def _first_rank(term: Term, calendar: Calendar, start: datetime) -> int:
    return rank_of(term, calendar, effective_start_day(term, calendar, start)) - term.start_day_counts


def effective_start_day(term: Term, calendar: Calendar, start: datetime) -> int:
    """The local day of the start, or, after hours or on a day off where the term says so, the next working day."""
    local = start.astimezone(calendar.zone)
    ordinal = local.toordinal()
    cut_off = term.cut_off
    if term.day_off_start_moves or cut_off is CutOff.CLOSING:
        hours = calendar.hours(local.date())
        if not hours:
            return calendar.nth(calendar.rank(ordinal) + 1) if term.day_off_start_moves else ordinal
        if cut_off is CutOff.CLOSING:
            cut_off = hours[-1][1]
    if cut_off is not CutOff.NONE and local.time() >= cut_off:
        return calendar.nth(calendar.rank(ordinal) + 1)
    return ordinal


def rank_of(term: Term, calendar: Calendar, ordinal: int) -> int:
    """How many counting days have come up to this day; of calendar days, its ordinal itself."""
    return calendar.rank(ordinal) if term.unit is Unit.WORKING_DAY else ordinal


def nth_day(term: Term, calendar: Calendar, rank: int) -> int:
    """The day of a rank: the inverse of `rank_of` on counting days."""
    return calendar.nth(rank) if term.unit is Unit.WORKING_DAY else rank


def _due_instant(term: Term, calendar: Calendar, ordinal: int) -> datetime:
    if term.roll is Roll.NEXT_WORKING_DAY and not calendar.is_working(ordinal):
        ordinal = calendar.nth(calendar.rank(ordinal) + 1)
    if term.due_at is DueAt.CLOSE_OF_BUSINESS and (closing := calendar.closing(ordinal)) is not None:
        return closing
    return calendar.end_of_day(ordinal)


# -- hours and months ----------------------------------------------------------------------------------------------------


def run_hours(term: Term, start: datetime, length: timedelta, pauses: Sequence[Pause]) -> datetime | None:
    """When so much time has run: start plus length plus the exact time paused. In UTC, so that a change of the clocks adds
    or takes nothing. None: an open pause holds it."""
    begin = start.astimezone(UTC)
    end = begin + length
    budget = None if term.pause_budget is None else timedelta(days=term.pause_budget)
    for pause in merged(pauses):
        if pause.start > end:
            break
        stood = budget if pause.end is None else max(pause.end - max(pause.start, begin), timedelta())
        if stood is None:
            return None
        stood = stood if budget is None else min(stood, budget)
        end += stood
        budget = None if budget is None else budget - stood
    return end


def month_day(term: Term, calendar: Calendar, start: datetime, extension: int) -> int:
    """The same day of the n-th month, clipped to its end."""
    return _month_day(term, effective_start_day(term, calendar, start), extension)


def _month_day(term: Term, start_day: int, extension: int) -> int:
    day = date.fromordinal(start_day)
    years, month = divmod(day.month - 1 + term.length + extension, 12)
    year, month = day.year + years, month + 1
    if year > 9998:
        raise OutOfCalendar(f"{term.length} months from {day} is no date")
    return date(year, month, min(day.day, monthrange(year, month)[1])).toordinal()
