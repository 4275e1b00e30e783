"""Calendars: which days are working days, when the office is open, and why a day is off.

A calendar is built once from data and answers in constant time: the working days of its whole span are numbered when it is
first asked, so the n-th working day after any day is one look-up, however large n is.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

SPAN = (date(1970, 1, 1), date(2120, 12, 31))
"""The first and last day that any calendar can tell of."""

NO_HOLIDAYS = "the holidays of this year are not known; only the weekly days off were left out, so the date may move"

Block = tuple[time, time]
"""Opening and closing of one stretch of office hours, in local time; a lunch or a prayer is the gap between two."""
Hours = tuple[Block, ...]
"""The blocks of one day in order; none means closed."""

_FIRST = SPAN[0].toordinal()


class OutOfCalendar(ValueError):
    """The count runs past what any calendar can tell; there is no date to promise."""


class HolidayKind(StrEnum):
    """Why the law frees a day."""

    LIBUR_NASIONAL = "libur_nasional"
    """National holiday: always off."""
    CUTI_BERSAMA = "cuti_bersama"
    """Collective leave, decreed by year: off, or counted as work, by a setting of the calendar."""


@dataclass(frozen=True, slots=True)
class Holiday:
    """One day that a national decree names."""

    day: date
    name: str
    kind: HolidayKind = HolidayKind.LIBUR_NASIONAL


@dataclass(frozen=True, slots=True)
class Override:
    """A local decree that goes before week and holidays: a day off, a working day, or other hours on one day."""

    day: date
    name: str
    hours: Hours
    """Empty: the office is closed."""
    decree: str


@dataclass(frozen=True, slots=True)
class Season:
    """Other hours for a stretch of days, such as Ramadan; days that the week leaves off stay off."""

    first: date
    last: date
    name: str
    week: Mapping[int, Hours]


@dataclass(frozen=True, eq=False)
class Calendar:
    """The days and hours of an office, by one version of the data. `week` maps Monday 0 … Sunday 6 to hours. Equal only to
    itself, so that what is counted by it can be kept."""

    id: str
    version: str
    zone: ZoneInfo
    week: Mapping[int, Hours]
    holidays: tuple[Holiday, ...] = ()
    cuti_bersama_off: bool = True
    overrides: tuple[Override, ...] = ()
    seasons: tuple[Season, ...] = ()
    years: Mapping[int, str] | None = None
    """How well the holidays of each year are known: empty once they are decreed, else what is to be said of them. None: the
    calendar makes no claim, so nothing is said."""
    _midnights: dict[int, datetime] = field(default_factory=dict, init=False, repr=False, compare=False)
    _reasons: dict[int, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def label(self) -> str:
        """`five-day@2026.1`: what a clock keeps of the calendar it was counted by."""
        return f"{self.id}@{self.version}"

    # -- days --------------------------------------------------------------------------------------------------------

    def is_working(self, ordinal: int) -> bool:
        return self.rank(ordinal) > self.rank(ordinal - 1)

    def rank(self, ordinal: int) -> int:
        """How many working days lie between the start of the span and this day, both included."""
        if ordinal <= _FIRST:
            raise self._out_of_span()
        try:
            return self._ranks[ordinal - _FIRST]
        except IndexError:
            raise self._out_of_span() from None

    def nth(self, rank: int) -> int:
        """The day (as an ordinal) on which `rank` is reached: the inverse of `rank` on working days."""
        if rank <= 0:
            raise self._out_of_span()
        try:
            return self._working[rank - 1]
        except IndexError:
            raise self._out_of_span() from None

    def working_day_after(self, day: date, n: int) -> date:
        """The n-th working day after `day`. Three look-ups, whatever n is."""
        try:
            offset, rank = day.toordinal() - _FIRST, n - 1
            rank += self._ranks[offset]
            if offset > 0 and rank >= 0:
                return self._dates[rank]
        except IndexError:
            pass
        raise self._out_of_span()

    def _out_of_span(self) -> OutOfCalendar:
        return OutOfCalendar(f"calendar {self.label} tells of {SPAN[0]} to {SPAN[1]} only")

    def hours(self, day: date) -> Hours:
        """The office hours of a day; none on a day off."""
        if (override := self._overrides.get(day)) is not None:
            return override.hours
        if day in self._off:
            return ()
        hours = self.week.get(day.weekday(), ())
        if hours:
            for season in self.seasons:
                if season.first <= day <= season.last:
                    return season.week.get(day.weekday()) or hours
        return hours

    def why_off(self, ordinal: int) -> str | None:
        """Why a day is no working day, in words a citizen can read; None for a working day."""
        try:
            return self._reasons[ordinal]
        except KeyError:
            reason = self._reasons[ordinal] = self.reason_off(date.fromordinal(ordinal))
            return reason

    def caveats(self, first: date, last: date) -> Iterator[str]:
        """What is to be said of the holidays of the years from `first` to `last`: which of them nobody has decreed yet."""
        if self.years is None:
            return
        for year in range(first.year, last.year + 1):
            caveat = self.years.get(year, NO_HOLIDAYS)
            if caveat:
                yield f"{year}: {caveat}"

    def reason_off(self, day: date) -> str | None:
        """Why a day is no working day, reckoned anew."""
        override = self._overrides.get(day)
        if override is not None:
            return None if override.hours else f"closed: {override.name} ({override.decree})"
        if holiday := self._off.get(day):
            kind = "collective leave" if holiday.kind is HolidayKind.CUTI_BERSAMA else "holiday"
            return f"{kind}: {holiday.name}"
        return None if self.week.get(day.weekday()) else f"weekly day off ({day:%A})"

    # -- instants ----------------------------------------------------------------------------------------------------

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone)

    def end_of_day(self, ordinal: int) -> datetime:
        """The local midnight that ends the day, exclusive, in UTC."""
        instant = self._midnights.get(ordinal)
        if instant is None:
            self.rank(ordinal)  # refuses what is out of the span
            instant = self._at(date.fromordinal(ordinal + 1), time())
            self._midnights[ordinal] = instant
        return instant

    def opening(self, ordinal: int) -> datetime | None:
        """When the office opens on that day, in UTC; None on a day off."""
        day = date.fromordinal(ordinal)
        hours = self.hours(day)
        return self._at(day, hours[0][0]) if hours else None

    def openings(self, ordinal: int) -> list[datetime]:
        """When each block of that day's office hours begins, in UTC."""
        day = date.fromordinal(ordinal)
        return [self._at(day, opens) for opens, _ in self.hours(day)]

    def closing(self, ordinal: int) -> datetime | None:
        """When the office closes on that day, in UTC; None on a day off."""
        day = date.fromordinal(ordinal)
        hours = self.hours(day)
        return self._at(day, hours[-1][1]) if hours else None

    def is_open(self, instant: datetime) -> bool:
        """Whether the office is open; a closing time no longer is."""
        local = self.local(instant)
        return any(opens <= local.time() < closes for opens, closes in self.hours(local.date()))

    def _at(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    # -- tables, built once ------------------------------------------------------------------------------------------

    @cached_property
    def _overrides(self) -> dict[date, Override]:
        return {override.day: override for override in self.overrides}

    @cached_property
    def _off(self) -> dict[date, Holiday]:
        """Holidays that free the day. A national holiday goes before a collective leave on the same day."""
        free = [h for h in self.holidays if h.kind is HolidayKind.LIBUR_NASIONAL or self.cuti_bersama_off]
        return {h.day: h for h in sorted(free, key=lambda h: h.kind is HolidayKind.LIBUR_NASIONAL)}

    @cached_property
    def _working(self) -> Sequence[int]:
        """Every working day of the span, as ordinals, in order."""
        workdays = [bool(self.week.get(weekday)) for weekday in range(7)]
        days = [o for o in range(_FIRST, SPAN[1].toordinal() + 1) if workdays[(o + 6) % 7]]
        special = {day.toordinal() for day in (*self._off, *self._overrides)}
        if special:
            kept = [o for o in days if o not in special]
            days = sorted(
                kept + [o for o in special if SPAN[0] <= (d := date.fromordinal(o)) <= SPAN[1] and self.hours(d)]
            )
        return array("l", days)

    @cached_property
    def _dates(self) -> Sequence[date]:
        """The working days as dates."""
        return [date.fromordinal(ordinal) for ordinal in self._working]

    @cached_property
    def _ranks(self) -> Sequence[int]:
        """For each day of the span, how many working days have begun by then."""
        ranks = array("l")
        working = self._working
        reached = 0
        for ordinal in range(_FIRST, SPAN[1].toordinal() + 1):
            if reached < len(working) and working[reached] == ordinal:
                reached += 1
            ranks.append(reached)
        return ranks


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendars of a pack: by id, the one by default, and which agency follows another."""

    by_id: Mapping[str, Calendar]
    default: str
    by_agency: Mapping[str, str] = field(default_factory=dict)

    def of(self, calendar: str | None, agency: str | None) -> Calendar:
        """The calendar that a rule names; else the agency's own; else the default."""
        return self.by_id[calendar or self.by_agency.get(agency or "", self.default)]
