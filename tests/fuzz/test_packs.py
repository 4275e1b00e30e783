"""A pack's data, changed at random: it loads and can be counted by, or it is refused by one sentence that names the file."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import strategies as st
from tests.fuzz.junk import NASTY, texts, values
from tests.fuzz.tried import tiers, tried

from amanah_chassis.errors import Misconfigured
from amanah_routing import pack as routing
from amanah_sla_monitor.calculator import Question, Refused, answer, instant
from amanah_sla_monitor.pack import load_law

SOURCE = {
    "rules.yaml": """
backdating: {channels: [counter], actors: [officer]}
facts: {data.told: the citizen was told}
roles: {head: agency, above: superior}
rules:
  - {id: R-1, version: "1", stage: reply, bound_to: holder, unit: working_day, length: 5, start: [complaint.routed],
     stop: [case.replied], law: Some law, verified: true, source: here, caveat: doubt, calendar: office,
     valid: {from: 2020-01-01, to: 2030-12-31}, counting: {cut_off: "15:00", day_off_start_moves: true,
     start_day_counts: false, due_at: close_of_business, roll: next_working_day},
     pause: {start: [case.information_requested], end: [case.information_received], budget: 3},
     applies_when: {classification: [a], category: [b], agency_type: [dinas], region: ["63"], visibility: [open]},
     thresholds: [{name: half, percent: 50}, {name: last_day}], escalations: [{level: 1, role: head, after: 2}]}
  - {id: R-2, version: "1", stage: settle, bound_to: citizen, unit: hour, length: 72, start: [complaint.submitted],
     stop: [data.told, case.resolved], law: Some law, verified: false,
     extension: {length: 7, facts: [case.extended], article: art. 1}}
  - {id: R-3, version: "1", stage: months, bound_to: citizen, unit: month, length: 3, start: [complaint.submitted],
     stop: [case.resolved], law: Some law, verified: false}
unknown: [{id: U-1, stage: s, law: Some law, why: it is dark}]
""",
    "calendars.yaml": """
default: office
holiday_lists:
  l: {source: s, years: [2026, 2027], status: estimated, note: n, days: [{day: 2026-01-01, name: New Year},
      {day: 2026-03-19, name: Nyepi, kind: cuti_bersama}]}
calendars:
  - {id: office, version: "1", zone: Asia/Makassar, holidays: [l], cuti_bersama_off: false,
     week: {mon-thu: ["07:30-12:00", "13:00-16:00"], fri: ["07:30-11:00"]},
     overrides: [{day: 2026-01-05, name: flood, hours: ["08:00-12:00"], decree: d}],
     seasons: [{name: Ramadan, from: 2026-02-18, to: 2026-03-19, week: {mon-fri: ["08:00-15:00"]}}]}
""",
    "agencies.yaml": """
agencies:
  - {code: a, name: A, kind: dinas, superior: b, aliases: [Dinas A], calendar: office}
  - {code: b, name: B, kind: government}
""",
    "pack.yaml": "calendar: office\n",
    "routing.yaml": """
rules:
  - {id: by-name, when: {agency_named: [a, Dinas A]}, to: named, explanation: The citizen named it.}
  - {id: roads, when: {category: [Road], region: ["63"], visibility: [open]}, to: b, explanation: Roads belong to B.}
tests: [{given: {category: Road, region: "63"}, expect: b}, {given: {category: Rain}, expect: triage}]
""",
}
TREES = {name: yaml.safe_load(text) for name, text in SOURCE.items()}
ODD = [
    *("America", "A" * 300, "Asia/\0", "../../etc/passwd", ""),
    *("2026-13-45", "07:30+08:00-16:00", "15:00+08:00", "15:00Z", "mon-", "sun-mon", "24:00", "07:30-07:30"),
    *("R-1", "office", "l", "a", "b", "head", "hour", "given", "month", "citizen", "named", "case.replied"),
]
TAGS = [
    "2026-13-45",
    "!!int x",
    "!!bool x",
    "!!timestamp x",
    "&a [*a]",
    "{<<: 3}",
    "? [a]\n: b",
    "9" * 5000,
    "0x_",
    "{" * 900,
]
START = instant("2026-03-16T09:00:00+08:00", "start")


def loads(folder: Path, name: str, content: bytes) -> str:
    """Loads a pack with one file changed; answers how it was refused, or nothing."""
    for other, text in SOURCE.items():
        (folder / other).write_text(text)
    (folder / name).write_bytes(content)
    try:
        law = load_law(folder)
        routing.load_rules(folder, routing.load_agencies(folder))
    except Misconfigured as refused:
        said = str(refused)
        assert str(folder) in said, said
        assert len(said.splitlines()) == 1, said
        return said
    for rule in law.rules:
        for extend in (False, True):
            try:
                answer(Question(rule.id, START, extend=extend), law)
            except Refused:
                continue
    return ""


# -- entries -------------------------------------------------------------------------------------------------------------

Path_ = tuple[Any, ...]


def _paths(tree: Any, here: Path_ = ()) -> list[Path_]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [here, *(path for key, value in entries for path in _paths(value, (*here, key)))]


PLACES = [(name, path) for name, tree in TREES.items() for path in _paths(tree)[1:]]


class Change(NamedTuple):
    """One entry of one file replaced, removed, doubled or renamed."""

    place: tuple[str, Path_]
    how: str
    value: Any


def changed(change: Change) -> bytes:
    (name, (*above, last)), how, value = change
    tree = parent = copy.deepcopy(TREES[name])
    for step in above:
        parent = parent[step]
    if how == "replace":
        parent[last] = value
    elif how == "remove":
        del parent[last]
    elif isinstance(parent, list):
        parent.append(copy.deepcopy(parent[last]))
    else:
        parent[value if isinstance(value, str) else "strange"] = parent.pop(last)
    return yaml.dump(tree, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), allow_unicode=False).encode()


writable = (st.sampled_from([*NASTY, *ODD]) | values | st.dates()).filter(lambda value: "\ud800" not in repr(value))
hows = st.sampled_from(["replace", "replace", "replace", "remove", "double"])


@tiers(100, 2_000)
def test_one_entry_changed(examples: int, tmp_path: Path) -> None:
    def check(change: Change) -> None:
        try:
            content = changed(change)
        except (yaml.YAMLError, UnicodeEncodeError):
            return  # it cannot be written
        loads(tmp_path, change.place[0], content)

    tried("packs, an entry changed", examples, st.builds(Change, st.sampled_from(PLACES), hows, writable), check)


# -- bytes ---------------------------------------------------------------------------------------------------------------


class Tear(NamedTuple):
    """Some bytes of one file overwritten; places are counted in thousandths of it."""

    name: str
    at: int
    length: int
    by: bytes


def torn(tear: Tear) -> bytes:
    content = SOURCE[tear.name].encode()
    at = len(content) * tear.at // 1000
    return content[:at] + tear.by + content[at + tear.length :]


by = (
    st.binary(max_size=12)
    | texts.map(lambda t: t.encode("utf-8", "surrogatepass"))
    | st.sampled_from(TAGS).map(str.encode)
)


@tiers(100, 2_000)
def test_bytes_changed(examples: int, tmp_path: Path) -> None:
    tears = st.builds(Tear, st.sampled_from([*SOURCE]), st.integers(0, 1000), st.integers(0, 30), by)
    tried("packs, bytes changed", examples, tears, lambda tear: loads(tmp_path, tear.name, torn(tear)) and None)


# -- found by the above --------------------------------------------------------------------------------------------------


def test_the_pack_is_sound_before_it_is_changed(tmp_path: Path) -> None:
    assert loads(tmp_path, "pack.yaml", SOURCE["pack.yaml"].encode()) == ""


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("rules.yaml", "2020-01-01", "2020-13-01", "rules.yaml: not YAML: month must be in 1..12"),
        ("rules.yaml", "length: 5", "length: !!int five", "rules.yaml: not YAML: invalid literal"),
        ("rules.yaml", "verified: true", "verified: !!bool maybe", "rules.yaml: not YAML: 'maybe'"),
        ("calendars.yaml", "2026-01-01", "!!timestamp soon", "calendars.yaml: not YAML"),
        ("calendars.yaml", "New Year", "\udcff", "calendars.yaml: not YAML: 'utf-8' codec can't decode byte 0xff"),
        (
            "calendars.yaml",
            "Asia/Makassar",
            "America",
            "calendar office: zone: Value error, 'America' is no IANA time zone",
        ),
        ("calendars.yaml", "Asia/Makassar", "A" * 300, "is no IANA time zone"),
        (
            "calendars.yaml",
            '"07:30-12:00"',
            '"07:30+08:00-12:00"',
            "calendar office: week: Value error, hours are local",
        ),
        ("calendars.yaml", "default: office", "holiday_list: {}", "unknown field: holiday_list"),
        ("rules.yaml", '"15:00"', '"15:00+08:00"', "rule R-1: counting.cut_off"),
        ("rules.yaml", "after: 2", "after: 3700000, unit: calendar_day", "rule R-1: escalations.0.after"),
        ("agencies.yaml", "superior: b", "superior: [b]", "agencies.yaml: agency a: superior: a word is expected"),
        ("agencies.yaml", "calendar: office", "calendar: {}", ""),
        ("agencies.yaml", "calendar: office", "calendar: {a: 1}", "agency a: calendar: a word is expected"),
        ("agencies.yaml", "code: a,", "code: [a],", "no agency is of the kind dinas"),
        ("agencies.yaml", "agencies:", "agencies: 7\nothers:", "no agency is of the kind dinas"),
        ("pack.yaml", "office", "[office]", "calendar of default: there is no calendar"),
        ("pack.yaml", "office", "{", "pack.yaml: not YAML"),
        ("routing.yaml", "explanation:", "explanation: 2026-13-45, x:", "routing.yaml: not YAML: month must be"),
    ],
)
def test_found(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    """Each of these ended a service with a traceback, or was refused in several lines or too late."""
    assert old in SOURCE[name]
    refused = loads(tmp_path, name, SOURCE[name].replace(old, new).encode("utf-8", "surrogateescape"))
    assert said in refused
    assert bool(said) == bool(refused)


@pytest.mark.parametrize("listed", ["7", "[]", "word"])
def test_holiday_lists_are_a_mapping(tmp_path: Path, listed: str) -> None:
    content = f"default: office\nholiday_lists: {listed}\n" + "calendars: []\n"
    assert "calendars.yaml: " in loads(tmp_path, "calendars.yaml", content.encode())
