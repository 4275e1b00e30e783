"""Law as data: the packs load, and what contradicts itself is refused by name."""

import csv
from datetime import date, timedelta
from pathlib import Path

import holidays
import pytest
from tests.unit.sla_monitor.cases import at

from amanah_chassis.errors import Misconfigured
from amanah_sla_monitor.domain.calendars import Calendars, HolidayKind
from amanah_sla_monitor.domain.counting import due
from amanah_sla_monitor.domain.facts import KINDS
from amanah_sla_monitor.domain.rules import Rules
from amanah_sla_monitor.pack import load_calendars, load_rules

ROOT = Path(__file__).parents[3]
PACKS, REFERENCE = ROOT / "packs", ROOT / "data" / "reference"


@pytest.mark.parametrize("pack", ["id", "nyc311"])
def test_the_packs_load(pack: str) -> None:
    calendars = load_calendars(PACKS / pack)
    assert list(load_rules(PACKS / pack, calendars))


@pytest.fixture(scope="module")
def indonesian() -> tuple[Calendars, Rules]:
    calendars = load_calendars(PACKS / "id")
    return calendars, load_rules(PACKS / "id", calendars)


@pytest.mark.parametrize(
    ("rule_id", "start", "last_day"),
    [
        ("SP4N-1", "2026-03-16 09:00", date(2026, 3, 26)),
        ("SP4N-2", "2026-03-16 09:00", date(2026, 3, 30)),
        ("SP4N-2", "2026-05-13 09:00", date(2026, 5, 22)),
        ("UU25-44-1", "2026-03-16 23:30", date(2026, 3, 30)),
        ("UU25-50-1", "2026-03-16 23:30", date(2026, 5, 15)),
    ],
)
def test_indonesian_law(indonesian: tuple[Calendars, Rules], rule_id: str, start: str, last_day: date) -> None:
    calendars, rules = indonesian
    rule = rules.find(rule_id)
    assert rule is not None
    calendar = calendars.of(rule.calendar, None)
    end = due(rule.term, calendar, at(start))
    assert end is not None
    assert end.astimezone(calendar.zone).date() - timedelta(days=1) == last_day


def test_every_row_of_the_reference_is_a_rule_by_its_id() -> None:
    """With its length and unit, and verified where the reference says so. What has no length in time is unknown."""
    law = load_rules(PACKS / "id", load_calendars(PACKS / "id"))
    with (REFERENCE / "deadlines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 32
    for row in rows:
        if row["id"] in ("PAN5-*", "ORI-31", "ORI-RCO"):
            assert row["id"] in law.unknown
            continue
        rule = law.find(row["id"])
        assert rule is not None, row["id"]
        length, unit = int(row["duration"].split()[0]), row["unit"].split()[0]
        if unit == "year":
            length, unit = 12 * length, "month"
        assert (rule.term.length, rule.term.unit.value) == (length, {"day": "calendar_day"}.get(unit, unit)), row["id"]
        assert rule.verified is row["confidence"].startswith("verified"), row["id"]
        assert rule.actor, row["id"]
        assert rule.caveat or row["confidence"] == "verified", f"{row['id']}: a doubt is said"


def test_what_runs_hears_of_its_facts_and_the_rest_serves_the_calculator() -> None:
    law = load_rules(PACKS / "id", load_calendars(PACKS / "id"))
    assert all(rule.starts & KINDS and rule.stops & KINDS for rules in law.by_stage.values() for rule in rules)
    assert {rule.id for rule in law.still} >= {"SP4N-2a", "SP4N-3", "KIP-1", "ORI-38-2", "PDP-46"}
    assert not {rule.id for rule in law.still} & {rule.id for rules in law.by_stage.values() for rule in rules}


def test_the_holidays_are_the_references_and_the_librarys() -> None:
    """The pack's own list decides; here it is compared, so that an upgrade of the library is noticed and moves nothing."""
    calendar = load_calendars(PACKS / "id").by_id["five-day"]
    with (REFERENCE / "holidays_id_2026_2027.csv").open(encoding="utf-8", newline="") as file:
        reference = {(date.fromisoformat(r["date"]), r["name_id"], r["kind"]) for r in csv.DictReader(file)}
    assert {(h.day, h.name, h.kind.value) for h in calendar.holidays if h.day.year in (2026, 2027)} == reference
    years = [2026, 2027]
    for kind, category in ((HolidayKind.LIBUR_NASIONAL, "public"), (HolidayKind.CUTI_BERSAMA, "government")):
        library = holidays.country_holidays("ID", years=years, categories=(category,))
        assert {h.day for h in calendar.holidays if h.day.year in years and h.kind is kind} == set(library)


def test_what_is_known_of_each_year_is_part_of_the_calendar() -> None:
    calendar = load_calendars(PACKS / "id").by_id["five-day"]
    assert calendar.years is not None
    assert [year for year, caveat in calendar.years.items() if not caveat] == list(range(2010, 2027))
    assert [year for year, caveat in calendar.years.items() if "estimates" in caveat] == list(range(2027, 2036))
    assert list(calendar.caveats(date(2026, 1, 1), date(2026, 12, 31))) == []
    assert "not known" in next(calendar.caveats(date(2036, 1, 1), date(2036, 1, 2)))


def test_a_rule_for_a_type_of_agency_covers_each_agency_of_that_type(tmp_path: Path) -> None:
    (tmp_path / "calendars.yaml").write_text(CALENDARS)
    (tmp_path / "agencies.yaml").write_text("agencies: [{code: a, kind: rsud}, {code: b, kind: dinas}]\n")
    narrowed = RULE.replace("verified: false", "verified: false, applies_when: {agency_type: [rsud]}")
    (tmp_path / "rules.yaml").write_text(narrowed)
    [rule] = load_rules(tmp_path, load_calendars(tmp_path))
    assert rule.applies.covers(None, "a")
    assert not rule.applies.covers(None, "b")


CALENDARS = """
default: office
calendars:
  - {id: office, version: "1", zone: Asia/Makassar, week: {mon-fri: ["07:30-12:00", "13:00-16:00"]}}
"""
RULE = """
rules:
  - {id: R-1, version: "1", stage: reply, bound_to: holder, unit: working_day, length: 5,
     start: [complaint.routed], stop: [case.replied], law: Some law, verified: false}
"""


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("rules", "length: 5", "length: 0", ["rules.yaml", "rule R-1", "length"]),
        ("rules", "length: 5,", "", ["rule R-1", "length"]),
        ("rules", "case.replied", "case.answered", ["rule R-1", "stop", "case.answered"]),
        ("rules", "working_day", "fortnight", ["rule R-1", "unit"]),
        ("rules", "verified: false", "verified: false, colour: red", ["rule R-1", "colour"]),
        ("rules", "verified: false", "verified: false, calendar: lunar", ["rule R-1", "calendar", "lunar"]),
        ("rules", "verified: false", "verified: false, counting: {due_at: noon}", ["rule R-1", "counting.due_at"]),
        ("rules", "start: [complaint.routed]", "start: [ombudsman.filed]", ["rule R-1", "start", "ombudsman.filed"]),
        (
            "rules",
            "rules:",
            "facts: {a.b: words}\nunknown: [{id: R-1, stage: s, law: Some law, why: dark}]\nrules:",
            ["R-1"],
        ),
        ("rules", "rules:", "unknown: 7\nrules:", ["unknown", "list"]),
        ("rules", "rules:", "facts: {a.b: 7}\nrules:", ["facts", "a.b"]),
        ("rules", "verified: false", "verified: false, valid: {from: 2026-02-01, to: 2026-01-31}", ["R-1", "valid"]),
        ("rules", "verified: false", "verified: false, basis: rumour", ["rule R-1", "basis"]),
        ("rules", "verified: false", "verified: false, applies_when: {agency_type: [x]}", ["R-1", "agency_type", "x"]),
        ("rules", "verified: false", "verified: false, thresholds: [{name: a}, {name: a}]", ["rule R-1", "thresholds"]),
        (
            "rules",
            "verified: false",
            "verified: false, escalations: [{level: 2, role: a}, {level: 1, role: b}]",
            ["rule R-1", "escalations"],
        ),
        (
            "rules",
            "law: Some law, verified: false}",
            'law: Some law, verified: false, valid: {to: 2026-06-30}}\n  - {id: R-1, version: "2", stage: reply,'
            " bound_to: holder, unit: hour, length: 5, start: [complaint.routed], stop: [case.replied], law: Some law,"
            " verified: false, valid: {from: 2026-06-30}}",
            ["rule R-1", "valid", "1 and 2 overlap"],
        ),
        (
            "calendars",
            "week: {mon",
            "overrides: [{day: 2026-01-05, name: a, decree: b}, {day: 2026-01-05, name: c, decree: d}], week: {mon",
            ["calendar office", "overrides", "2026-01-05"],
        ),
        (
            "calendars",
            "week: {mon",
            "seasons: [{name: a, from: 2026-02-01, to: 2026-01-01, week: {mon: ['08:00-15:00']}}], week: {mon",
            ["calendar office", "seasons.0", "to"],
        ),
        (
            "calendars",
            "calendars:",
            "holiday_lists: {l: {source: s, years: [2026], days: [{day: 2027-01-01, name: n}]}}\ncalendars:",
            ["holiday list l", "days", "2027-01-01"],
        ),
        ("rules", "rules:", "laws: 1\nrules:", ["rules.yaml", "laws"]),
        ("calendars", "Asia/Makassar", "Asia/Martapura", ["calendars.yaml", "calendar office", "zone"]),
        ("calendars", "13:00-16:00", "11:00-16:00", ["calendar office", "week"]),
        ("calendars", "mon-fri", "mon-fry", ["calendar office", "week", "mon-fry"]),
        ("calendars", "default: office", "default: home", ["default", "home"]),
        ("calendars", "week:", "holidays: [id], week:", ["calendar office", "holidays", "id"]),
    ],
)
def test_a_fault_names_file_entry_and_field(tmp_path: Path, file: str, old: str, new: str, words: list[str]) -> None:
    files = {"rules": RULE, "calendars": CALENDARS}
    assert old in files[file]
    files[file] = files[file].replace(old, new)
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    with pytest.raises(Misconfigured) as refused:
        load_rules(tmp_path, load_calendars(tmp_path))
    for word in words:
        assert word in str(refused.value)


def test_default_and_agency_calendars_come_from_the_files_that_own_them(tmp_path: Path) -> None:
    (tmp_path / "calendars.yaml").write_text(CALENDARS + CALENDARS.splitlines()[3].replace("office", "field") + "\n")
    (tmp_path / "pack.yaml").write_text("calendar: field\n")
    (tmp_path / "agencies.yaml").write_text("agencies: [{code: desk, calendar: office}, {code: other}]\n")
    calendars = load_calendars(tmp_path)
    assert calendars.of(None, None).id == "field"
    assert calendars.of(None, "desk").id == "office"
    assert calendars.of("field", "desk").id == "field"
