"""The packs' own data, read without any service: agencies are sound, nyc311's rules keep their own tests and its log finds
its agencies."""

import csv
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from amanah.contracts import artefacts

ROOT = artefacts.home().parent
PACKS = ("nyc311", "id")


@cache
def _data(pack: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "packs" / pack / f"{name}.yaml").read_text())
    return found


def _agencies(pack: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _data(pack, "agencies")["agencies"]
    return found


RULES: list[dict[str, Any]] = _data("nyc311", "routing")["rules"]
TESTS: list[dict[str, Any]] = _data("nyc311", "routing")["tests"]


def _plain(text: object) -> str:
    return str(text).strip().casefold()


NAMED = {
    _plain(name): agency["code"] for agency in _agencies("nyc311") for name in (agency["code"], *agency["aliases"])
}


def _holds(condition: str, wanted: list[str], given: Mapping[str, str]) -> bool:
    value = _plain(given.get(condition, ""))
    return value in NAMED if wanted == ["*"] else value in map(_plain, wanted)


def _route(given: Mapping[str, str]) -> str:
    for rule in RULES:
        if all(_holds(condition, wanted, given) for condition, wanted in rule["when"].items()):
            return NAMED[_plain(given["agency_named"])] if rule["to"] == "named" else str(rule["to"])
    return "triage"


@pytest.mark.parametrize("pack", PACKS)
def test_codes_fit_a_topic_name_and_names_are_unique(pack: str) -> None:
    codes = [agency["code"] for agency in _agencies(pack)]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", code) for code in codes)
    owners: dict[str, str] = {}
    for agency in _agencies(pack):
        assert all(isinstance(alias, str) for alias in agency["aliases"]), agency["code"]
        for name in {_plain(agency["code"]), *map(_plain, agency["aliases"])}:
            assert owners.setdefault(name, agency["code"]) == agency["code"], f"{name} means two agencies"


@pytest.mark.parametrize("pack", PACKS)
def test_superiors_exist_and_never_lead_in_a_circle(pack: str) -> None:
    above = {agency["code"]: agency.get("superior") for agency in _agencies(pack)}
    for start in list(above):
        seen: list[str] = []
        code: str | None = start
        while code:
            assert code in above, f"{code} is no agency"
            assert code not in seen, seen
            seen.append(code)
            code = above[code]


@pytest.mark.parametrize("pack", PACKS)
def test_the_packs_calendar_exists(pack: str) -> None:
    calendars = {calendar["id"] for calendar in _data(pack, "calendars")["calendars"]}
    assert _data(pack, "pack")["calendar"] in calendars
    assert {agency["calendar"] for agency in _agencies(pack) if "calendar" in agency} <= calendars


def test_south_kalimantan_has_its_fourteen_governments() -> None:
    with (ROOT / "data" / "reference" / "kalsel_kabkota.csv").open(newline="") as table:
        known = {row["kode"] for row in csv.DictReader(table)}
    heads = [agency["government"] for agency in _agencies("id") if agency["kind"] == "government"]
    assert len(heads) == len(set(heads)) == 14
    assert set(heads) == known
    assert all(agency["verified"] in (True, False) for agency in _agencies("id"))


@pytest.mark.parametrize("case", TESTS, ids=lambda case: str(case["given"]))
def test_the_rules_keep_their_own_tests(case: dict[str, Any]) -> None:
    assert _route(case["given"]) == case["expect"]


def test_rules_are_explained_and_no_category_is_listed_twice() -> None:
    ids = [rule["id"] for rule in RULES]
    assert len(ids) == len(set(ids))
    seen: set[str] = set()
    for rule in RULES:
        assert rule["explanation"].endswith(".")
        assert rule["when"], "a rule without a condition would end the list"
        for category in map(_plain, rule["when"].get("category", [])):
            assert category not in seen, category
            seen.add(category)


def test_every_row_of_the_shipped_log_finds_the_agency_it_names() -> None:
    with (ROOT / "data" / "nyc311_2018.csv").open(newline="") as log:
        rows = list(csv.DictReader(log))
    assert len(rows) == 1000
    for row in rows:
        assert _route({"agency_named": row["Agency"], "category": row["Complaint Type"]}) == row["Agency"].lower()
