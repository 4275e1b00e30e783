"""Counting again, the slow way: day by day over local dates, hour terms interval by interval, months on the calendar.

The law in words, from which this was written: a start at or after closing time or on a day off belongs to the next working
day; counted days lie after that day; a day counts if the calendar counts it and the clock is running at its end; the n-th
counted day's end is due. So a pause excludes the counting days from its own date to the day before its resumption.
"""

import calendar as months
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from amanah_sla_monitor.reconciler.law import DAY, Law, Office, Rule

Pause = tuple[datetime, datetime | None]
"""From its first instant to its resumption, exclusive; None: it still lasts."""


def due(
    rule: Rule, office: Office, start: datetime, pauses: Sequence[Pause] = (), extension: int = 0
) -> datetime | None:
    """The instant that must not pass unmet; None while an open pause holds it. `extension` is in the rule's own unit."""
    length = rule.length + extension
    if rule.unit == "hour":
        return _hours_later(start, timedelta(hours=length), _budgeted(rule, start, merged(pauses)))
    if rule.unit == "month":
        return _instant(rule, office, _months_later(office.day_of(start), length))
    day = nth(rule, office, start, in_time(rule, office, start, pauses, length), length)
    return None if day is None else _instant(rule, office, day)


def in_time(rule: Rule, office: Office, start: datetime, pauses: Sequence[Pause], length: int) -> list[Pause]:
    """A pause that begins after the due instant changes nothing, so they are taken in one by one, until one is too late."""
    taken: list[Pause] = []
    for pause in merged(pauses):
        day = nth(rule, office, start, taken, length)
        if day is None or pause[0] > _instant(rule, office, day):
            break
        taken.append(pause)
    return taken


def nth(rule: Rule, office: Office, start: datetime, pauses: Sequence[Pause], n: int) -> date | None:
    """The n-th counted day; None: an open pause keeps it from coming."""
    for number, day in enumerate(counted_days(rule, office, start, pauses), 1):
        if number == n:
            return day
    return None


def counted_days(rule: Rule, office: Office, start: datetime, pauses: Sequence[Pause]) -> Iterator[date]:
    """The counted days in order. They end where an open pause takes all that follow."""
    standing, stands_from = _dates(office, pauses)
    left = rule.budget
    day = first_day(rule, office, start)
    while True:
        counts = rule.unit == "calendar_day" or office.works(day)
        stands = day in standing or day >= stands_from
        if counts and stands and left is None:
            if day >= stands_from:
                return
        elif counts and stands and left:
            left -= 1
        elif counts:
            yield day
        day += DAY


def first_day(rule: Rule, office: Office, start: datetime) -> date:
    """The first day that may be counted."""
    local = start.astimezone(office.zone)
    day, clock = local.date(), local.time()
    if not office.works(day):
        if rule.day_off_start_moves:
            day = office.next_working(day)
    elif rule.cut_off != "none":
        closing = office.hours(day)[-1][1] if rule.cut_off == "closing" else time.fromisoformat(rule.cut_off)
        if clock >= closing:
            day = office.next_working(day)
    return day if rule.start_day_counts else day + DAY


def thresholds(
    rule: Rule, office: Office, start: datetime, pauses: Sequence[Pause] = (), extension: int = 0
) -> dict[str, datetime | None]:
    """When each warning of the rule is said; None: not while the clock stands."""
    return {name: warning(rule, office, start, percent, pauses, extension) for name, percent in rule.thresholds}


def warning(
    rule: Rule,
    office: Office,
    start: datetime,
    percent: int | None,
    pauses: Sequence[Pause] = (),
    extension: int = 0,
) -> datetime | None:
    """The opening of office hours of the ceil(p·n/100)-th counted day, of the n-th without a percentage. Never at night or
    on a day off: then at the next opening, or, if that comes too late to warn of anything, at the last one before, if the
    clock had started by then. None: there is no such moment."""
    if rule.unit in ("hour", "month"):
        return None  # said of counted days only
    length = rule.length + extension
    taken = in_time(rule, office, start, pauses, length)
    number = length if percent is None else -(-percent * length // 100)
    day = nth(rule, office, start, taken, number)
    if day is None:
        return None
    too_late = due(rule, office, start, pauses, extension) or taken[-1][0]
    if not office.works(day):
        later = office.opening(office.next_working(day))
        if later < too_late:
            return later
        while not office.works(day):
            day -= DAY
        return office.opening(day) if office.opening(day) > start else None
    if office.opening(day) >= start:
        return office.opening(day)
    # Counting from the start day itself: the first moment of office hours that is left, if it comes in time.
    moment = start if office.is_open(start) else office.next_opening(start)
    return moment if moment < too_late else None


def recount(
    law: Law, rule_id: str, start: datetime, calendar: str, pauses: Sequence[Pause] = (), extension: int = 0
) -> tuple[datetime | None, dict[str, datetime | None]]:
    """Due instant and warnings by the names of rule and calendar."""
    rule, office = law.rule(rule_id), law.offices[calendar]
    return due(rule, office, start, pauses, extension), thresholds(rule, office, start, pauses, extension)


# -- pauses --------------------------------------------------------------------------------------------------------------


def merged(pauses: Sequence[Pause]) -> list[Pause]:
    """In order, those that overlap or touch as one; without those that last no time."""
    found: list[Pause] = []
    for start, end in sorted(pauses, key=lambda pause: pause[0]):
        if end is not None and end <= start:
            continue
        if found and (found[-1][1] is None or start <= found[-1][1]):
            before, until = found[-1]
            found[-1] = (before, None if until is None or end is None else max(until, end))
        else:
            found.append((start, end))
    return found


def _dates(office: Office, pauses: Sequence[Pause]) -> tuple[set[date], date]:
    """The dates at whose end a clock stands, and the date from which it stands for good (`date.max`: never)."""
    standing: set[date] = set()
    stands_from = date.max
    for start, end in pauses:
        day = office.day_of(start)
        if end is None:
            stands_from = min(stands_from, day)
            continue
        while day < office.day_of(end):
            standing.add(day)
            day += DAY
    return standing, stands_from


# -- hours and months ----------------------------------------------------------------------------------------------------


def _hours_later(start: datetime, length: timedelta, pauses: Sequence[Pause]) -> datetime | None:
    """Walks from pause to pause until as much time has run."""
    now, left = start, length
    for begins, ends in pauses:
        if ends is not None and ends <= now:
            continue
        runs = max(begins - now, timedelta())
        if runs > left:
            break
        left -= runs
        if ends is None:
            return None
        now = ends
    return now + left


def _budgeted(rule: Rule, start: datetime, pauses: Sequence[Pause]) -> list[Pause]:
    """A budget of b lets pauses take at most the first b times 24 hours of a clock that counts hours."""
    if rule.budget is None:
        return list(pauses)
    left = timedelta(days=rule.budget)
    granted: list[Pause] = []
    for begins, ends in pauses:
        begins_here = max(begins, start)
        until = begins_here + left if ends is None else min(ends, begins_here + left)
        if until > begins_here:
            granted.append((begins_here, until))
            left -= until - begins_here
    return granted


def _months_later(day: date, n: int) -> date:
    """The same day of the n-th month after, or its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + n, 12)
    return date(year, month + 1, min(day.day, months.monthrange(year, month + 1)[1]))


def _instant(rule: Rule, office: Office, day: date) -> datetime:
    """When a due day is over: at the next midnight, or where the rule says so when the office closes."""
    if rule.rolls and not office.works(day):
        day = office.next_working(day)
    if rule.close_of_business and office.works(day):
        return office.at(day, office.hours(day)[-1][1])
    return office.end_of(day)
