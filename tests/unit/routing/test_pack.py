"""What a pack may say: its rules are refused with file, rule and reason when they contradict themselves or their tests."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from amanah import project
from amanah_chassis.errors import Misconfigured
from amanah_routing.domain import Assignment, Matter, Registry, Rule, route
from amanah_routing.pack import load_agencies, load_rules

REFERENCE = project.pack("id").parent.parent / "data" / "reference"
AGENCIES = [{"code": "roads", "aliases": ["Dinas Jalan"], "superior": "mayor"}, {"code": "water"}, {"code": "mayor"}]
ROADS = {"id": "roads", "when": {"category": ["Pothole"]}, "to": "roads", "explanation": "Potholes are theirs."}
NAMED = {"id": "named", "when": {"agency_named": ["*"]}, "to": "named", "explanation": "The citizen named them."}
TEST = {"given": {"category": "pothole"}, "expect": "roads"}


def pack(folder: Path, rules: Any = None, tests: Any = None, agencies: Any = None) -> Path:
    (folder / "agencies.yaml").write_text(yaml.safe_dump({"agencies": agencies or AGENCIES}))
    content = {"rules": [ROADS] if rules is None else rules, "tests": [TEST] if tests is None else tests}
    (folder / "routing.yaml").write_text(yaml.safe_dump(content))
    return folder


def load(folder: Path) -> tuple[Rule, ...]:
    return load_rules(folder, load_agencies(folder))


def test_a_sound_pack_is_loaded_in_its_order(tmp_path: Path) -> None:
    rules = load(pack(tmp_path, [NAMED, ROADS], [TEST, {"given": {"agency_named": "dinas jalan"}, "expect": "roads"}]))
    assert [rule.id for rule in rules] == ["named", "roads"]
    assert rules[1].explanation == "Potholes are theirs."


@pytest.mark.parametrize(
    ("rules", "tests", "reasons"),
    [
        ([ROADS], [{"given": {"category": "pothole"}, "expect": "water"}], ["test 1", "water", "roads", "rule roads"]),
        (
            [ROADS],
            [TEST, {"given": {"category": "noise"}, "expect": "water"}],
            ["test 2", "water", "triage", "no rule"],
        ),
        ([ROADS], [{"given": {"category": "pothole"}, "expect": "triage"}], ["test 1", "triage", "roads"]),
        ([{**ROADS, "to": "trains"}], [TEST], ["rule roads", "trains", "agencies.yaml"]),
        ([ROADS, ROADS], [TEST], ["unique", "roads"]),
        ([ROADS], [], ["tests"]),
        ([], [TEST], ["rules"]),
        ([{**ROADS, "when": {"weather": ["rain"]}}], [TEST], ["rules.0.when", "weather"]),
        ([{**ROADS, "when": {"category": []}}], [TEST], ["rules.0.when.category"]),  # it could never hold
        ([{**ROADS, "when": {"region": [63.1]}}], [TEST], ["rules.0.when.region.0", "string"]),  # 63.10 without quotes
        ([{**ROADS, "explanation": "x"}], [TEST], ["rules.0.explanation"]),
        ([{**ROADS, "priority": 3}], [TEST], ["rules.0.priority"]),
        ([ROADS], [{"given": {"colour": "red"}, "expect": "roads"}], ["tests.0.given.colour"]),
    ],
)
def test_a_faulty_rule_file_is_refused_with_file_place_and_reason(
    tmp_path: Path, rules: Any, tests: Any, reasons: list[str]
) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(pack(tmp_path, rules, tests))
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'routing.yaml'}: ")
    assert "\n" not in said
    for reason in reasons:
        assert reason in said


@pytest.mark.parametrize(
    ("agencies", "reason"),
    [
        (
            [{"code": "roads", "aliases": ["Roads Office"]}, {"code": "water", "aliases": ["roads  OFFICE"]}],
            "roads office",
        ),
        ([{"code": "roads"}, {"code": "roads"}], "'roads' names both"),
        ([{"code": "Roads"}], "agencies.0.code"),  # no part of a topic name
        ([{"aliases": ["x"]}], "agencies.0.code"),
    ],
)
def test_a_name_means_one_agency(tmp_path: Path, agencies: Any, reason: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_agencies(pack(tmp_path, agencies=agencies))
    assert str(refused.value).startswith(f"{tmp_path / 'agencies.yaml'}: ")
    assert reason in str(refused.value)


def test_a_missing_an_empty_and_a_broken_file_are_refused_by_name(tmp_path: Path) -> None:
    agencies = load_agencies(pack(tmp_path))
    rules = tmp_path / "routing.yaml"
    for content in (None, "", "rules: [", "just words"):
        rules.unlink(missing_ok=True)
        if content is not None:
            rules.write_text(content)
        with pytest.raises(Misconfigured, match=r"routing\.yaml: "):
            load_rules(tmp_path, agencies)


@pytest.mark.parametrize("name", ["nyc311", "id"])
def test_the_shipped_packs_keep_their_own_tests(name: str) -> None:
    assert load(project.pack(name))


# -- South Kalimantan ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home() -> tuple[Registry, tuple[Rule, ...]]:
    agencies = load_agencies(project.pack("id"))
    return agencies, load_rules(project.pack("id"), agencies)


@cache
def places() -> dict[str, str]:
    """Code of each of the fourteen governments to the code of its head."""
    listed = yaml.load((project.pack("id") / "agencies.yaml").read_text(), yaml.CSafeLoader)["agencies"]
    heads = {agency["government"]: agency["code"] for agency in listed if agency["kind"] == "government"}
    with (REFERENCE / "kalsel_kabkota.csv").open(newline="") as table:
        return {row["kode"]: heads[row["kode"]] for row in csv.DictReader(table)}


def categories() -> list[str]:
    groups = json.loads((REFERENCE / "sp4n_categories.json").read_text())["categories"]
    return sorted({name for group in groups for name in (group["category"], *group["subcategories"])})


def test_each_government_answers_for_its_own_places(home: tuple[Registry, tuple[Rule, ...]]) -> None:
    """A body of a government, and its land office, is named only by rules for that government's region."""
    agencies, rules = home
    answering: dict[str, set[str]] = {head: set() for head in places().values()}
    for region, head in places().items():
        own = {f"bpn-{head}"} | {code for code in agencies.codes if code.startswith(f"{head}-")}
        for rule in rules:
            if rule.to in own and rule.id != "whistle-blower":  # of no place: the province's inspectorate hears it
                assert rule.conditions["region"] == {region}, rule.id
                answering[head].add(rule.to)
    assert all(len(bodies) >= 24 for bodies in answering.values()), answering


def test_nine_in_ten_reports_of_the_observed_sample_find_a_body(
    home: tuple[Registry, tuple[Rule, ...]],
) -> None:
    """Of the reports counted in the reference data, those of the group `other topics` apart."""
    agencies, rules = home
    groups = json.loads((REFERENCE / "sp4n_categories.json").read_text())["categories"]
    counted = {group["category"]: group["observed_reports"] for group in groups if group["category"] != "TOPIK LAINNYA"}
    routed = sum(
        reports
        for category, reports in counted.items()
        if isinstance(route(Matter(category, region="63.71"), rules, agencies), Assignment)
    )
    assert routed / sum(counted.values()) >= 0.9


def test_the_rules_speak_only_of_categories_that_exist(home: tuple[Registry, tuple[Rule, ...]]) -> None:
    known = {" ".join(category.split()).casefold() for category in categories()}
    for rule in home[1]:
        assert rule.conditions.get("category", frozenset()) <= known, rule.id


def test_a_whistle_blower_is_heard_by_an_inspectorate_wherever_and_whomever_it_is_about(
    home: tuple[Registry, tuple[Rule, ...]],
) -> None:
    agencies, rules = home
    for region in (*places(), "63.05.01", None, "11.01"):
        for named in (None, "Dinkes Kab. Tapin", "tapin-inspektorat"):
            decision = route(Matter("KESEHATAN", None, region, named, "whistle_blower"), rules, agencies)
            assert isinstance(decision, Assignment)
            assert decision.agency.endswith("-inspektorat")
