"""Reads `rules.yaml` and `calendars.yaml` of a pack: law is data. What contradicts itself is refused, naming file, entry and
field. The default calendar is that of `pack.yaml`, an agency's own that of `agencies.yaml`, where these say so."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ValidationError

from amanah_chassis.errors import Misconfigured
from amanah_sla_monitor.domain import rules as law
from amanah_sla_monitor.domain.calendars import Calendar, Calendars, Holiday, Override, Season
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.offices import Offices
from amanah_sla_monitor.domain.rules import Bound, Rule, Rules
from amanah_sla_monitor.pack_schema import (
    BackdatingEntry,
    CalendarEntry,
    ExtensionEntry,
    FactsEntry,
    HolidayList,
    RolesEntry,
    RuleEntry,
    UnknownEntry,
)

M = TypeVar("M", bound=BaseModel)
_RULES_FIELDS = {"rules", "backdating", "facts", "unknown", "roles"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML come without the fast one


def load_law(pack: Path) -> Law:
    """All that a pack says of deadlines. Raises Misconfigured."""
    calendars = load_calendars(pack)
    return Law(pack.name, load_rules(pack, calendars), calendars, load_offices(pack))


def load_offices(pack: Path) -> Offices:
    """Whom escalation calls upon: the roles of `rules.yaml`, the superiors of `agencies.yaml`. Raises Misconfigured."""
    path = pack / "rules.yaml"
    entry = _entry(path, "roles", RolesEntry, {"roles": _mapping(path, _RULES_FIELDS).get("roles") or {}})
    return Offices(entry.roles, _said_of_agencies(pack, "superior"))


def load_calendars(pack: Path) -> Calendars:
    """The pack's calendars. Raises Misconfigured."""
    path = pack / "calendars.yaml"
    file = _mapping(path, {"default", "calendars", "holiday_lists"})
    listed = file.get("holiday_lists") or {}
    if not isinstance(listed, dict):
        raise Misconfigured(f"{path}: holiday_lists: a mapping of names to lists is expected")
    lists = {name: _entry(path, f"holiday list {name}", HolidayList, entry) for name, entry in listed.items()}
    by_id: dict[str, Calendar] = {}
    for number, raw in enumerate(_list(path, file, "calendars"), 1):
        entry = _entry(path, f"calendar {_name(raw, number)}", CalendarEntry, raw)
        if entry.id in by_id:
            raise Misconfigured(f"{path}: calendar {entry.id}: id: there are two of them")
        for name in entry.holidays:
            if name not in lists:
                raise Misconfigured(f"{path}: calendar {entry.id}: holidays: there is no holiday list {name}")
        by_id[entry.id] = _calendar(entry, [lists[name] for name in entry.holidays])
    default = _optional(pack / "pack.yaml").get("calendar") or file.get("default")
    by_agency = _said_of_agencies(pack, "calendar")
    for who, calendar in (("default", default), *by_agency.items()):
        if not isinstance(calendar, str) or calendar not in by_id:
            raise Misconfigured(f"{path}: calendar of {who}: there is no calendar {calendar}")
    return Calendars(by_id, str(default), by_agency)


def load_rules(pack: Path, calendars: Calendars) -> Rules:
    """The pack's rules, in the order of the file. Raises Misconfigured."""
    path = pack / "rules.yaml"
    file = _mapping(path, _RULES_FIELDS)
    facts = _entry(path, "facts", FactsEntry, {"facts": file.get("facts") or {}}).facts
    kinds = _agency_kinds(pack)
    loaded: dict[tuple[str, str], Rule] = {}
    bound: dict[str, Bound] = {}
    for number, raw in enumerate(_list(path, file, "rules"), 1):
        name = f"rule {_name(raw, number)}"
        entry = _entry(path, name, RuleEntry, raw, facts)
        if (entry.id, entry.version) in loaded:
            raise Misconfigured(f"{path}: {name}: version: {entry.version} is there twice")
        if entry.calendar is not None and entry.calendar not in calendars.by_id:
            raise Misconfigured(f"{path}: {name}: calendar: there is no calendar {entry.calendar} in calendars.yaml")
        if bound.setdefault(entry.stage, entry.bound_to) is not entry.bound_to:
            raise Misconfigured(f"{path}: {name}: bound_to: stage {entry.stage} is already {bound[entry.stage]}'s")
        for kind in entry.applies_when.agency_type:
            if kind not in kinds:
                raise Misconfigured(f"{path}: {name}: applies_when.agency_type: no agency is of the kind {kind}")
        rule = _rule(entry, kinds)
        for other in loaded.values():
            if other.id == rule.id and _overlap(other, rule):
                raise Misconfigured(f"{path}: {name}: valid: versions {other.version} and {rule.version} overlap")
        loaded[entry.id, entry.version] = rule
    if not loaded:
        raise Misconfigured(f"{path}: rules: a pack without a deadline watches nothing")
    unknown = _unknown(path, file, {rule_id for rule_id, _ in loaded})
    return law.rules(*loaded.values(), backdating=_backdating(path, file), unknown=unknown)


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether two versions are in force on one day: which of them would bind?"""
    return (one.valid_to is None or other.valid_from <= one.valid_to) and (
        other.valid_to is None or one.valid_from <= other.valid_to
    )


def _unknown(path: Path, file: dict[str, Any], known: set[str]) -> list[law.Unknown]:
    entries = []
    for number, raw in enumerate(_list(path, file, "unknown"), 1):
        name = f"unknown {_name(raw, number)}"
        entry = _entry(path, name, UnknownEntry, raw)
        if entry.id in known:
            raise Misconfigured(f"{path}: {name}: id: there is a rule of this id")
        entries.append(law.Unknown(entry.id, entry.stage, entry.law, entry.why))
    return entries


def _backdating(path: Path, file: dict[str, Any]) -> law.Backdating:
    entry = _entry(path, "backdating", BackdatingEntry, file.get("backdating") or {})
    return law.Backdating(frozenset(entry.channels), frozenset(entry.actors))


def _calendar(entry: CalendarEntry, lists: Sequence[HolidayList]) -> Calendar:
    return Calendar(
        id=entry.id,
        version=entry.version,
        zone=ZoneInfo(entry.zone),
        week=entry.week,
        holidays=tuple(Holiday(h.day, h.name, h.kind) for listed in lists for h in listed.days),
        years={year: _caveat(listed) for listed in lists for year in listed.years} if lists else None,
        cuti_bersama_off=entry.cuti_bersama_off,
        overrides=tuple(Override(o.day, o.name, o.hours, o.decree) for o in entry.overrides),
        seasons=tuple(Season(s.since, s.to, s.name, s.week) for s in entry.seasons),
    )


def _caveat(listed: HolidayList) -> str:
    if listed.status == "decreed":
        return listed.note or ""
    return listed.note or "holidays are estimates until they are decreed, so the date may move"


def _rule(entry: RuleEntry, kinds: Mapping[str, frozenset[str]]) -> Rule:
    pause, when = entry.pause, entry.applies_when
    agencies = frozenset(when.agency)
    if when.agency_type:
        of_type = frozenset(code for kind in when.agency_type for code in kinds[kind])
        agencies = agencies & of_type if agencies else of_type
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
        basis=entry.basis,
        actor=entry.actor,
        caveat=entry.caveat,
        runs=entry.runs,
        calendar=entry.calendar,
        pauses=frozenset(pause.start if pause else ()),
        resumes=frozenset(pause.end if pause else ()),
        extension=_extension(entry.extension),
        applies=law.Applies(
            classifications=frozenset(when.classification),
            categories=frozenset(when.category),
            agencies=agencies,
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


_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What PyYAML raises: besides its own errors, those of Python where a value is no date or number after all (2026-13-45)."""


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - both are safe loaders
    except OSError as missing:
        raise Misconfigured(f"{path}: {missing.strerror}") from None
    except _NOT_YAML as broken:
        raise Misconfigured(f"{path}: not YAML: {_one_line(broken)}") from None


def _one_line(words: object) -> str:
    return " ".join(str(words).split())


def _mapping(path: Path, allowed: set[str]) -> dict[str, Any]:
    content = _yaml(path)
    if not isinstance(content, dict):
        raise Misconfigured(f"{path}: a mapping with {', '.join(sorted(allowed))} is expected")
    if unknown := content.keys() - allowed:
        raise Misconfigured(f"{path}: unknown field: {', '.join(sorted(map(str, unknown)))}")
    return content


def _optional(path: Path) -> dict[str, Any]:
    """A file that others own: absent or of another shape, it has nothing to say here; its owner checks it."""
    if not path.exists():
        return {}
    content = _yaml(path)
    return content if isinstance(content, dict) else {}


def _list(path: Path, file: dict[str, Any], field: str) -> list[Any]:
    content = file.get(field) or []
    if not isinstance(content, list):
        raise Misconfigured(f"{path}: {field}: a list is expected")
    return content


def _agencies(pack: Path) -> dict[str, dict[str, Any]]:
    """What `agencies.yaml` says of each agency, by code."""
    listed = _optional(pack / "agencies.yaml").get("agencies") or []
    if not isinstance(listed, list):
        return {}
    return {a["code"]: a for a in listed if isinstance(a, dict) and isinstance(a.get("code"), str)}


def _said_of_agencies(pack: Path, field: str) -> dict[str, str]:
    """What one field says of each agency that has it; its values are words, as its owner does not check."""
    said = {code: agency[field] for code, agency in _agencies(pack).items() if agency.get(field)}
    for code, value in said.items():
        if not isinstance(value, str):
            raise Misconfigured(f"{pack / 'agencies.yaml'}: agency {code}: {field}: a word is expected")
    return said


def _agency_kinds(pack: Path) -> dict[str, frozenset[str]]:
    kinds: dict[str, set[str]] = {}
    for code, agency in _agencies(pack).items():
        kinds.setdefault(str(agency.get("kind")), set()).add(code)
    return {kind: frozenset(codes) for kind, codes in kinds.items()}


def _name(raw: Any, number: int) -> str:
    return str(raw.get("id", f"number {number}")) if isinstance(raw, dict) else f"number {number}"


def _entry(path: Path, name: str, model: type[M], raw: Any, context: Any = None) -> M:
    try:
        return model.model_validate(raw, context=context)
    except ValidationError as invalid:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in invalid.errors()[:5])
        raise Misconfigured(_one_line(f"{path}: {name}: {faults}")) from None
