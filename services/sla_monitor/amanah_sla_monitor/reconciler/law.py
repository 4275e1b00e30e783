"""The pack as the second pair of eyes reads it: plain values, straight from the YAML. The engine's loader has checked the
files' form already and refuses what is malformed; here they are only understood, by another hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

DAY = timedelta(days=1)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Blocks = tuple[tuple[time, time], ...]
"""Office hours of one day, in order; empty: a day off."""


@dataclass(frozen=True)
class Office:
    """One calendar: its zone, and when it is open."""

    id: str
    version: str
    zone: ZoneInfo
    week: Mapping[int, Blocks]
    off: frozenset[date]
    decreed: Mapping[date, Blocks]
    seasons: Sequence[tuple[date, date, Mapping[int, Blocks]]]

    @property
    def label(self) -> str:
        return f"{self.id}@{self.version}"

    def hours(self, day: date) -> Blocks:
        """A local decree goes before all else, then holidays, then a season's hours, then the week's."""
        if day in self.decreed:
            return self.decreed[day]
        if day in self.off:
            return ()
        for first, last, week in self.seasons:
            if first <= day <= last:
                return week.get(day.weekday(), ())
        return self.week.get(day.weekday(), ())

    def works(self, day: date) -> bool:
        return bool(self.hours(day))

    def next_working(self, day: date) -> date:
        """The first working day after `day`."""
        day += DAY
        while not self.works(day):
            day += DAY
        return day

    def opening(self, day: date) -> datetime:
        return self.at(day, self.hours(day)[0][0])

    def is_open(self, instant: datetime) -> bool:
        local = instant.astimezone(self.zone)
        return any(opens <= local.time() < closes for opens, closes in self.hours(local.date()))

    def next_opening(self, instant: datetime) -> datetime:
        """The next block of office hours that begins after `instant`, on its own day or the next working day."""
        day = self.day_of(instant)
        today = [opens for opens, _ in self.hours(day) if self.at(day, opens) > instant]
        return self.at(day, today[0]) if today else self.opening(self.next_working(day))

    def day_of(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()

    def at(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone)

    def end_of(self, day: date) -> datetime:
        """The next local midnight, exclusive."""
        return self.at(day + DAY, time.min)


@dataclass(frozen=True)
class Rule:
    """One entry of `rules.yaml`, with the conventions that hold where it says nothing."""

    id: str
    version: str
    stage: str
    by_holder: bool
    unit: str
    length: int
    starts: frozenset[str]
    stops: frozenset[str]
    calendar: str | None = None
    since: date = date.min
    until: date = date.max
    cut_off: str = "none"
    """`closing`, `none`, or a time such as `15:00`."""
    day_off_start_moves: bool = False
    start_day_counts: bool = False
    close_of_business: bool = False
    rolls: bool = False
    pauses: frozenset[str] = frozenset()
    resumes: frozenset[str] = frozenset()
    budget: int | None = None
    extension: int = 0
    extends: frozenset[str] = frozenset()
    applies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    thresholds: tuple[tuple[str, int | None], ...] = ()
    runs: bool = True
    """False: nobody records its facts yet, so it keeps no clock; the calculator counts by it."""


@dataclass(frozen=True)
class Law:
    """Everything a recount asks of a pack."""

    rules: tuple[Rule, ...]
    offices: Mapping[str, Office]
    default: str
    office_of_agency: Mapping[str, str]
    type_of_agency: Mapping[str, str]
    channels: frozenset[str]
    actors: frozenset[str]

    def rule(self, rule_id: str, version: str | None = None) -> Rule:
        """By id, and by version where there are several. Raises KeyError."""
        for rule in self.rules:
            if rule.id == rule_id and version in (None, rule.version):
                return rule
        raise KeyError(rule_id)

    def office(self, rule: Rule, agency: str | None) -> Office:
        """The rule's own calendar, else that of the holder whose clock it is, else the pack's."""
        return self.offices[rule.calendar or self.office_of_agency.get(agency or "", self.default)]


def read(pack: Path) -> Law:
    """Reads `rules.yaml`, `calendars.yaml`, and what `pack.yaml` and `agencies.yaml` say of calendars."""
    rules, calendars = _file(pack / "rules.yaml"), _file(pack / "calendars.yaml")
    agencies = _file(pack / "agencies.yaml").get("agencies") or []
    backdating = rules.get("backdating") or {}
    lists = calendars.get("holiday_lists") or {}
    return Law(
        rules=tuple(_rule(entry) for entry in rules["rules"]),
        offices={entry["id"]: _office(entry, lists) for entry in calendars["calendars"]},
        default=_file(pack / "pack.yaml").get("calendar") or calendars["default"],
        office_of_agency={agency["code"]: agency["calendar"] for agency in agencies if agency.get("calendar")},
        type_of_agency={agency["code"]: agency["kind"] for agency in agencies if agency.get("kind")},
        channels=frozenset(backdating.get("channels") or ()),
        actors=frozenset(backdating.get("actors") or ()),
    )


def _file(path: Path) -> dict[str, Any]:
    content = yaml.load(path.read_text(encoding="utf-8"), _LOADER) if path.exists() else {}  # noqa: S506 - safe loaders
    return content if isinstance(content, dict) else {}


# -- calendars -----------------------------------------------------------------------------------------------------------


def _office(entry: Mapping[str, Any], lists: Mapping[str, Any]) -> Office:
    leave_is_off = entry.get("cuti_bersama_off", True)
    holidays = [holiday for name in entry.get("holidays") or () for holiday in lists[name]["days"]]
    return Office(
        id=entry["id"],
        version=str(entry["version"]),
        zone=ZoneInfo(entry["zone"]),
        week=_week(entry["week"]),
        off=frozenset(h["day"] for h in holidays if leave_is_off or h.get("kind") != "cuti_bersama"),
        decreed={o["day"]: _blocks(o.get("hours") or ()) for o in entry.get("overrides") or ()},
        seasons=[(s["from"], s["to"], _week(s["week"])) for s in entry.get("seasons") or ()],
    )


def _week(entry: Mapping[str, Any]) -> dict[int, Blocks]:
    week: dict[int, Blocks] = {}
    for days, hours in entry.items():
        first, _, last = days.partition("-")
        for weekday in range(_WEEKDAYS.index(first), _WEEKDAYS.index(last or first) + 1):
            week[weekday] = _blocks(hours)
    return week


def _blocks(hours: Sequence[str]) -> Blocks:
    edges = [block.split("-") for block in hours]
    return tuple((time.fromisoformat(opens.strip()), time.fromisoformat(closes.strip())) for opens, closes in edges)


# -- rules ---------------------------------------------------------------------------------------------------------------


def _rule(entry: Mapping[str, Any]) -> Rule:
    works = entry["unit"] == "working_day"
    counting, pause = entry.get("counting") or {}, entry.get("pause") or {}
    extension, valid = entry.get("extension") or {}, entry.get("valid") or {}
    cut_off = counting.get("cut_off")
    moves = counting.get("day_off_start_moves")
    return Rule(
        id=entry["id"],
        version=str(entry["version"]),
        stage=entry["stage"],
        by_holder=entry["bound_to"] == "holder",
        unit=entry["unit"],
        length=entry.get("length") or 0,
        starts=frozenset(entry["start"]),
        stops=frozenset(entry["stop"]),
        calendar=entry.get("calendar"),
        since=valid.get("from") or date.min,
        until=valid.get("to") or date.max,
        cut_off=("closing" if works else "none") if cut_off is None else str(cut_off),
        day_off_start_moves=works if moves is None else moves,
        start_day_counts=counting.get("start_day_counts", False),
        close_of_business=counting.get("due_at") == "close_of_business",
        rolls=counting.get("roll") == "next_working_day",
        pauses=frozenset(pause.get("start") or ()),
        resumes=frozenset(pause.get("end") or ()),
        budget=pause.get("budget"),
        extension=extension.get("length") or 0,
        extends=frozenset(extension.get("facts") or ()),
        applies={name: tuple(map(str, codes)) for name, codes in (entry.get("applies_when") or {}).items() if codes},
        thresholds=tuple((t["name"], t.get("percent")) for t in entry.get("thresholds") or ()),
        runs=entry.get("runs", True),
    )
