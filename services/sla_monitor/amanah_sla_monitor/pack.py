"""Reads `rules.yaml` and `calendars.yaml` of a pack: law is data. What contradicts itself is refused, naming file, entry and
field. The default calendar is that of `pack.yaml`, an agency's own that of `agencies.yaml`, where these say so."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ValidationError

from amanah_chassis.errors import Misconfigured
from amanah_sla_monitor.domain import rules as law
from amanah_sla_monitor.domain.calendars import Calendar, Calendars, Holiday, Override, Season
from amanah_sla_monitor.domain.rules import Bound, Rule, Rules
from amanah_sla_monitor.pack_schema import (
    BackdatingEntry,
    CalendarEntry,
    ExtensionEntry,
    HolidayEntry,
    HolidayList,
    RuleEntry,
)

M = TypeVar("M", bound=BaseModel)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML come without the fast one


def load_calendars(pack: Path) -> Calendars:
    """The pack's calendars. Raises Misconfigured."""
    path = pack / "calendars.yaml"
    file = _mapping(path, {"default", "calendars", "holiday_lists"})
    lists = {
        name: _entry(path, f"holiday list {name}", HolidayList, entry)
        for name, entry in (file.get("holiday_lists") or {}).items()
    }
    by_id: dict[str, Calendar] = {}
    for number, raw in enumerate(file.get("calendars") or [], 1):
        entry = _entry(path, f"calendar {_name(raw, number)}", CalendarEntry, raw)
        if entry.id in by_id:
            raise Misconfigured(f"{path}: calendar {entry.id}: id: there are two of them")
        for name in entry.holidays:
            if name not in lists:
                raise Misconfigured(f"{path}: calendar {entry.id}: holidays: there is no holiday list {name}")
        by_id[entry.id] = _calendar(entry, [day for name in entry.holidays for day in lists[name].days])
    default = _optional(pack / "pack.yaml").get("calendar") or file.get("default")
    by_agency = {
        agency["code"]: agency["calendar"]
        for agency in _optional(pack / "agencies.yaml").get("agencies") or []
        if isinstance(agency, dict) and agency.get("calendar")
    }
    for who, calendar in (("default", default), *by_agency.items()):
        if calendar not in by_id:
            raise Misconfigured(f"{path}: calendar of {who}: there is no calendar {calendar}")
    return Calendars(by_id, str(default), by_agency)


def load_rules(pack: Path, calendars: Calendars) -> Rules:
    """The pack's rules, in the order of the file. Raises Misconfigured."""
    path = pack / "rules.yaml"
    file = _mapping(path, {"rules", "backdating"})
    loaded: dict[tuple[str, str], Rule] = {}
    bound: dict[str, Bound] = {}
    for number, raw in enumerate(file.get("rules") or [], 1):
        name = f"rule {_name(raw, number)}"
        entry = _entry(path, name, RuleEntry, raw)
        if (entry.id, entry.version) in loaded:
            raise Misconfigured(f"{path}: {name}: version: {entry.version} is there twice")
        if entry.calendar is not None and entry.calendar not in calendars.by_id:
            raise Misconfigured(f"{path}: {name}: calendar: there is no calendar {entry.calendar} in calendars.yaml")
        if bound.setdefault(entry.stage, entry.bound_to) is not entry.bound_to:
            raise Misconfigured(f"{path}: {name}: bound_to: stage {entry.stage} is already {bound[entry.stage]}'s")
        loaded[entry.id, entry.version] = _rule(entry)
    if not loaded:
        raise Misconfigured(f"{path}: rules: a pack without a deadline watches nothing")
    return law.rules(*loaded.values(), backdating=_backdating(path, file))


def _backdating(path: Path, file: dict[str, Any]) -> law.Backdating:
    entry = _entry(path, "backdating", BackdatingEntry, file.get("backdating") or {})
    return law.Backdating(frozenset(entry.channels), frozenset(entry.actors))


def _calendar(entry: CalendarEntry, holidays: Iterable[HolidayEntry]) -> Calendar:
    return Calendar(
        id=entry.id,
        version=entry.version,
        zone=ZoneInfo(entry.zone),
        week=entry.week,
        holidays=tuple(Holiday(h.day, h.name, h.kind) for h in holidays),
        cuti_bersama_off=entry.cuti_bersama_off,
        overrides=tuple(Override(o.day, o.name, o.hours, o.decree) for o in entry.overrides),
        seasons=tuple(Season(s.since, s.to, s.name, s.week) for s in entry.seasons),
    )


def _rule(entry: RuleEntry) -> Rule:
    pause, when = entry.pause, entry.applies_when
    return Rule(
        id=entry.id,
        version=entry.version,
        stage=entry.stage,
        bound=entry.bound_to,
        term=law.term(
            entry.unit, entry.length or 0, pause_budget=pause.budget if pause else None, **dict(entry.counting)
        ),
        starts=frozenset(entry.start),
        stops=frozenset(entry.stop),
        valid_from=entry.valid.since,
        valid_to=entry.valid.to,
        law=entry.law,
        verified=entry.verified,
        source=entry.source,
        calendar=entry.calendar,
        pauses=frozenset(pause.start if pause else ()),
        resumes=frozenset(pause.end if pause else ()),
        extension=_extension(entry.extension),
        applies=law.Applies(
            classifications=frozenset(when.classification),
            categories=frozenset(when.category),
            agencies=frozenset(when.agency),
            regions=frozenset(when.region),
            visibilities=frozenset(when.visibility),
        ),
        thresholds=tuple(law.Threshold(t.name, t.percent) for t in entry.thresholds),
        escalations=tuple(law.Escalation(e.level, e.role, e.after, e.unit) for e in entry.escalations),
    )


def _extension(entry: ExtensionEntry | None) -> law.Extension | None:
    if entry is None:
        return None
    return law.Extension(entry.length, frozenset(entry.facts), entry.article, entry.in_writing)


# -- files ---------------------------------------------------------------------------------------------------------------


def _mapping(path: Path, allowed: set[str]) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - both are safe loaders
    except OSError as missing:
        raise Misconfigured(f"{path}: {missing.strerror}") from None
    except yaml.YAMLError as broken:
        raise Misconfigured(f"{path}: not YAML: {broken}") from None
    if not isinstance(content, dict):
        raise Misconfigured(f"{path}: a mapping with {', '.join(sorted(allowed))} is expected")
    if unknown := content.keys() - allowed:
        raise Misconfigured(f"{path}: unknown field: {', '.join(sorted(map(str, unknown)))}")
    return content


def _optional(path: Path) -> dict[str, Any]:
    """A file that others own: absent or of another shape, it has nothing to say here; its owner checks it."""
    if not path.exists():
        return {}
    content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - both are safe loaders
    return content if isinstance(content, dict) else {}


def _name(raw: Any, number: int) -> str:
    return str(raw.get("id", f"number {number}")) if isinstance(raw, dict) else f"number {number}"


def _entry(path: Path, name: str, model: type[M], raw: Any) -> M:
    try:
        return model.model_validate(raw)
    except ValidationError as invalid:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in invalid.errors()[:5])
        raise Misconfigured(f"{path}: {name}: {faults}") from None
