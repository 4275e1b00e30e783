"""The shape of a pack's `rules.yaml` and `calendars.yaml`, field by field."""

from datetime import date, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from amanah_sla_monitor.domain.calendars import HolidayKind, Hours
from amanah_sla_monitor.domain.facts import KINDS, SUBMITTED
from amanah_sla_monitor.domain.offices import Seat
from amanah_sla_monitor.domain.rules import Basis, Bound, CutOff, DueAt, Roll, Unit

LONGEST = 100_000
"""No term has more of its unit: what is counted stays a date that can be written."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _known_fact(kind: str, info: ValidationInfo) -> str:
    """A fact that is recorded, or that the file itself declares (the context) for the calculator's rules."""
    declared = info.context or {}
    if kind not in KINDS and kind not in declared:
        raise ValueError(f"{kind!r} is no recorded fact; there are {', '.join(sorted({*KINDS, *declared}))}")
    return kind


def _local(hour: time) -> time:
    if hour.tzinfo is not None:
        raise ValueError("hours are local: they have no offset")
    return hour


def _hours(value: Any) -> Hours:
    """`["07:30-12:00", "13:00-16:00"]`: blocks in order, none overlapping."""
    if not isinstance(value, list):
        raise ValueError("a list of blocks such as '07:30-16:00' is expected")
    blocks = []
    for block in value:
        opens, _, closes = str(block).partition("-")
        blocks.append((_local(time.fromisoformat(opens.strip())), _local(time.fromisoformat(closes.strip()))))
    flat = [instant for block in blocks for instant in block]
    if flat != sorted(flat) or any(opens == closes for opens, closes in blocks):
        raise ValueError("blocks must be in order, each closing after it opens and before the next one opens")
    return tuple(blocks)


def _week(value: Any) -> dict[int, Hours]:
    """`{mon-thu: [...], fri: [...]}`: single days and stretches; a day not named is off."""
    if not isinstance(value, dict):
        raise ValueError("weekdays such as 'mon-thu' with their hours are expected")
    week: dict[int, Hours] = {}
    for days, hours in value.items():
        first, _, last = str(days).partition("-")
        if first not in WEEKDAYS or (last and last not in WEEKDAYS):
            raise ValueError(f"{days!r}: weekdays are {', '.join(WEEKDAYS)}, or a stretch such as mon-thu")
        for weekday in range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1):
            week[weekday] = _hours(hours)
    return week


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "America" is a folder of the database
        raise ValueError(f"{name!r} is no IANA time zone") from None
    return name


FactKind = Annotated[str, AfterValidator(_known_fact)]
Week = Annotated[dict[int, Hours], BeforeValidator(_week)]
OneDay = Annotated[Hours, BeforeValidator(_hours)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CountingEntry(_Strict):
    """Conventions that differ from the unit's own; see `domain/rules.py`."""

    cut_off: CutOff | Annotated[time, AfterValidator(_local)] | None = None
    day_off_start_moves: bool | None = None
    start_day_counts: bool = False
    due_at: DueAt = DueAt.END_OF_DAY
    roll: Roll = Roll.NONE


class PauseEntry(_Strict):
    start: list[FactKind] = Field(min_length=1)
    end: list[FactKind] = Field(min_length=1)
    budget: Annotated[int, Field(ge=0, le=LONGEST)] | None = None


class ExtensionEntry(_Strict):
    length: Annotated[int, Field(ge=1, le=LONGEST)]
    facts: list[FactKind] = []
    article: str | None = None
    in_writing: bool = True


class AppliesEntry(_Strict):
    classification: list[str] = []
    category: list[str] = []
    agency: list[str] = []
    agency_type: list[str] = []
    """The `kind` of `agencies.yaml`."""
    region: list[str] = []
    visibility: list[str] = []


Word = Annotated[str, Field(pattern=r"^[\w .-]{1,64}$")]
"""A name that is part of a key."""


class ThresholdEntry(_Strict):
    name: Word
    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Absent: the last day."""


class EscalationEntry(_Strict):
    level: Annotated[int, Field(ge=1)]
    role: Word
    after: Annotated[int, Field(ge=0, le=LONGEST)] = 0
    unit: Literal[Unit.WORKING_DAY, Unit.CALENDAR_DAY, Unit.HOUR] = Unit.WORKING_DAY


class ValidEntry(_Strict):
    since: Annotated[date, Field(alias="from")] = date.min
    to: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "ValidEntry":
        if self.to is not None and self.to < self.since:
            raise ValueError("to: it ends before it begins")
        return self


RuleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._*-]{0,63}$")]


class RuleEntry(_Strict):
    id: RuleId
    version: str
    stage: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    bound_to: Bound
    unit: Unit
    length: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    start: list[FactKind] = Field(min_length=1)
    stop: list[FactKind] = Field(min_length=1)
    law: Annotated[str, Field(min_length=3)]
    verified: bool
    source: str | None = None
    basis: Basis = Basis.POLICY
    actor: str | None = None
    caveat: str | None = None
    runs: bool = True
    valid: ValidEntry = ValidEntry()
    calendar: str | None = None
    counting: CountingEntry = CountingEntry()
    pause: PauseEntry | None = None
    extension: ExtensionEntry | None = None
    applies_when: AppliesEntry = AppliesEntry()
    thresholds: list[ThresholdEntry] = []
    escalations: list[EscalationEntry] = []

    @model_validator(mode="after")
    def _consistent(self) -> "RuleEntry":
        if (self.unit is Unit.GIVEN) != (self.length is None):
            raise ValueError("length: every unit but `given` needs one, and `given` has none")
        if self.unit is Unit.GIVEN and (self.start != [SUBMITTED] or self.bound_to is not Bound.CITIZEN):
            raise ValueError(f"start: a given deadline is the citizen's and starts at {SUBMITTED}")
        if self.unit is Unit.MONTH and self.pause:
            raise ValueError("pause: months know none")
        if len({threshold.name for threshold in self.thresholds}) < len(self.thresholds):
            raise ValueError("thresholds: two have one name")
        levels = [escalation.level for escalation in self.escalations]
        if levels != sorted(set(levels)):
            raise ValueError("escalations: levels rise one by one, and each is there once")
        return self

    @model_validator(mode="after")
    def _heard_of(self) -> "RuleEntry":
        """A rule that nobody tells us the facts of would keep no clock, in silence."""
        for field, facts in (("start", self.start), ("stop", self.stop)):
            if self.runs and not KINDS.intersection(facts):
                raise ValueError(f"{field}: none of these facts is recorded, so no clock runs; say `runs: false`")
        return self


class RolesEntry(_Strict):
    """Where each role of the escalations sits."""

    roles: dict[Word, Seat] = {}


class UnknownEntry(_Strict):
    """A rule that nobody can count by, and why."""

    id: RuleId
    stage: str
    law: Annotated[str, Field(min_length=3)]
    why: Annotated[str, Field(min_length=3)]


class FactsEntry(_Strict):
    """Facts that rules speak of and no service records yet, each in words."""

    facts: dict[Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")], str] = {}


class HolidayEntry(_Strict):
    day: date
    name: str
    kind: HolidayKind = HolidayKind.LIBUR_NASIONAL


class OverrideEntry(_Strict):
    day: date
    name: str
    hours: OneDay = ()
    decree: str


class SeasonEntry(_Strict):
    name: str
    since: Annotated[date, Field(alias="from")]
    to: date
    week: Week

    @model_validator(mode="after")
    def _in_order(self) -> "SeasonEntry":
        if self.to < self.since:
            raise ValueError("to: it ends before it begins")
        return self


class CalendarEntry(_Strict):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    version: str
    zone: Annotated[str, AfterValidator(_zone)]
    week: Annotated[Week, Field(min_length=1)]
    holidays: list[str] = []
    """Names of lists in `holiday_lists`."""
    cuti_bersama_off: bool = True
    overrides: list[OverrideEntry] = []
    seasons: list[SeasonEntry] = []

    @model_validator(mode="after")
    def _one_decree_a_day(self) -> "CalendarEntry":
        days = [override.day for override in self.overrides]
        twice = sorted({str(day) for day in days if days.count(day) > 1})
        if twice:
            raise ValueError(f"overrides: day: {', '.join(twice)} is there twice")
        return self


class HolidayList(_Strict):
    """The holidays of whole years. Estimated: not decreed yet, in part or at all, which every date counted by them says."""

    source: str
    days: list[HolidayEntry]
    years: Annotated[list[int], Field(min_length=1)]
    status: Literal["decreed", "estimated"] = "decreed"
    note: str | None = None

    @model_validator(mode="after")
    def _within(self) -> "HolidayList":
        stray = next((h.day for h in self.days if h.day.year not in self.years), None)
        if stray:
            raise ValueError(f"days: {stray} is of none of the years")
        return self


class BackdatingEntry(_Strict):
    channels: list[str] = []
    actors: list[str] = []
