"""Law as data: the packs load, and what contradicts itself is refused by name."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.unit.sla_monitor.cases import at

from amanah_chassis.errors import Misconfigured
from amanah_sla_monitor.domain.calendars import Calendars
from amanah_sla_monitor.domain.counting import due
from amanah_sla_monitor.domain.rules import Rules
from amanah_sla_monitor.pack import load_calendars, load_rules

PACKS = Path(__file__).parents[3] / "packs"


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
