"""The public calculator: what it answers, what it refuses, and over HTTP."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.unit.sla_monitor.cases import at

from amanah_sla_monitor.api import make_api
from amanah_sla_monitor.calculator import Question, Refused, answer, asked, load, span
from amanah_sla_monitor.domain.counting import Pause
from amanah_sla_monitor.monitor import Monitor

FOLDER = Path(__file__).parents[3] / "packs" / "id"
PACK = load(FOLDER)
MONDAY = at("2026-06-08 09:00")


def count(rule: str = "SP4N-2", start: str = "2026-03-16T09:00:00+08:00", **more: Any) -> dict[str, Any]:
    return answer(asked({"rule": rule, "start": start, **more}, "id"), PACK)


def test_the_answer_has_what_the_receipt_of_a_clock_has() -> None:
    found = count()
    wanted = "rule version calendar calendar_version start due_at thresholds escalations days law verified"
    assert set(wanted.split()) <= found.keys()
    assert found["start"] == "2026-03-16T09:00:00+08:00"
    assert found["due_at"] == "2026-03-31T00:00:00+08:00"
    assert found["thresholds"] == [
        {"name": "half", "at": "2026-03-26T07:30:00+08:00"},
        {"name": "eighty", "at": "2026-03-27T07:30:00+08:00"},
        {"name": "last_day", "at": "2026-03-30T07:30:00+08:00"},
    ]
    assert found["days"][0] == {
        "date": "2026-03-16",
        "counted": False,
        "reason": "start day: counting begins the day after",
    }
    assert [day["counted"] for day in found["days"]].count(True) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "JSON object"),
        ({}, "rule: it is missing"),
        ({"rule": "SP4N-2"}, "start: it is missing"),
        ({"rule": "SP4N-9", "start": "2026-03-16T09:00:00+08:00"}, "no such rule"),
        ({"rule": "sp4n-2", "start": "2026-03-16T09:00:00+08:00"}, "no such rule"),
        ({"rule": 2, "start": "2026-03-16T09:00:00+08:00"}, "rule: a text"),
        ({"rule": "PAN5-*", "start": "2026-03-16T09:00:00+08:00"}, "its articles were not seen"),
        ({"rule": "ORI-31", "start": "2026-03-16T09:00:00+08:00"}, "counts summonses"),
        ({"rule": "ORI-RCO", "start": "2026-03-16T09:00:00+08:00"}, "a length was not found"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00"}, "offset"),
        ({"rule": "SP4N-2", "start": "2026-03-16"}, "offset"),
        ({"rule": "SP4N-2", "start": "yesterday"}, "start: an instant"),
        ({"rule": "SP4N-2", "start": 1}, "start: an instant"),
        ({"rule": "SP4N-2", "start": "0001-01-01T00:00:00+08:00"}, "beyond all calendars"),
        ({"rule": "SP4N-2", "start": "9999-12-31T23:00:00-08:00"}, "beyond all calendars"),
        ({"rule": "UU25-44-1", "start": "1969-12-31T23:00:00+08:00"}, "1970-01-01 to 2120-12-31"),
        ({"rule": "PDP-46", "start": "2121-12-31T23:00:00+08:00"}, "1970-01-01 to 2120-12-31"),
        ({"rule": "ORI-MON", "start": "2120-12-01T23:00:00+08:00"}, "1970-01-01 to 2120-12-31"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "calendar": "moon"}, "no such calendar"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "calendar": []}, "calendar: a text"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "extend": True}, "no extension"),
        ({"rule": "KIP-1", "start": "2026-03-16T09:00:00+08:00", "extend": "yes"}, "true or false"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "pause": []}, "unknown argument"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "pauses": "no"}, "pauses: a list"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "pauses": [7]}, "pauses.1: [from, to]"),
        ({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00", "pauses": [[None, None]]}, "pauses.1: it is missing"),
        (
            {
                "rule": "SP4N-2",
                "start": "2026-03-16T09:00:00+08:00",
                "pauses": [["2026-03-18T09:00:00+08:00", "2026-03-17T09:00:00+08:00"]],
            },
            "ends before it begins",
        ),
        ({"pack": "nyc311", "rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00"}, "this is pack id"),
    ],
)
def test_what_cannot_be_answered_is_said_by_argument_and_reason(arguments: Any, words: str) -> None:
    with pytest.raises(Refused) as refused:
        answer(asked(arguments, "id"), PACK)
    assert words in str(refused.value)


def test_pauses_are_applied_whatever_the_rule_says_of_them() -> None:
    day = ["2026-03-25T10:00:00+08:00", "2026-03-26T09:00:00+08:00"]
    assert count(pauses=[day])["due_at"] == "2026-04-01T00:00:00+08:00"
    assert count(pauses=[day, day])["due_at"] == "2026-04-01T00:00:00+08:00", "one pause, told twice"
    same_day = ["2026-03-25T10:00:00+08:00", "2026-03-25T15:00:00+08:00"]
    assert count(pauses=[same_day])["due_at"] == count()["due_at"]
    too_late = ["2026-03-31T10:00:00+08:00", None]
    assert count(pauses=[too_late])["due_at"] == count()["due_at"]
    before = ["0001-01-02T00:00:00+00:00", "2026-03-01T00:00:00+08:00"]
    assert count(pauses=[before])["due_at"] == count()["due_at"], "however far back"


def test_an_open_pause_leaves_no_date_and_shows_how_far_the_count_came() -> None:
    found = count(pauses=[["2026-03-27T10:00:00+08:00", None]])
    assert found["due_at"] is None
    assert [day["date"] for day in found["days"] if day["counted"]] == ["2026-03-17", "2026-03-25", "2026-03-26"]
    assert found["days"][-1]["reason"] == "the clock stands since 2026-03-27 10:00 and has no end yet"
    warned = {warning["name"]: warning["at"] for warning in found["thresholds"]}
    assert warned == {"half": "2026-03-26T07:30:00+08:00", "eighty": None, "last_day": None}, "day 3 had come"
    assert {level["at"] for level in found["escalations"]} == {None}


@pytest.mark.parametrize(
    ("start", "expected"),
    [("2024-02-29T09:00:00+08:00", "2026-03-01"), ("2026-02-28T09:00:00+08:00", "2028-02-29")],
)
def test_two_years_over_a_leap_day(start: str, expected: str) -> None:
    found = count("ORI-24-3", start, pauses=[["2026-12-01T00:00:00+08:00", None]])
    assert found["due_at"][:10] == expected
    assert "A term of months knows no pause." in found["notes"]


def test_hours_show_the_days_they_run_through() -> None:
    found = count("PDP-46", "2026-03-20T22:00:00+08:00")
    assert (found["due_at"], found["calendar"]) == ("2026-03-23T22:00:00+08:00", "five-day")
    assert [day["date"] for day in found["days"]] == ["2026-03-20", "2026-03-21", "2026-03-22", "2026-03-23"]
    stood = count(
        "PDP-46", "2026-03-20T00:00:00+08:00", pauses=[["2026-03-21T00:00:00+08:00", "2026-03-22T00:00:00+08:00"]]
    )
    assert [day["counted"] for day in stood["days"]] == [True, False, True, True]
    assert stood["due_at"] == "2026-03-24T00:00:00+08:00"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2026-06-08T09:00:00+08:00", []),
        ("2027-06-08T09:00:00+08:00", ["2027: Idul Fitri and Idul Adha are estimates"]),
        (
            "2027-12-30T09:00:00+08:00",
            ["2027: Idul Fitri", "2028: national holidays are estimates and collective leave is not"],
        ),
        ("2040-06-08T09:00:00+08:00", ["2040: the holidays of this year are not known"]),
        ("1999-06-08T09:00:00+08:00", ["1999: the holidays of this year are not known"]),
    ],
)
def test_a_year_whose_holidays_are_not_decreed_is_never_silent(start: str, said: list[str]) -> None:
    notes = [note for note in count(start=start)["notes"] if note.startswith("Calendar")]
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))
    assert all(note.startswith("Calendar five-day@2026.1, ") for note in notes)


def test_a_rule_in_several_versions_is_that_of_the_day() -> None:
    from dataclasses import replace

    from amanah_sla_monitor.domain.rules import rules

    first = PACK.rules.find("SP4N-2")
    assert first is not None
    first = replace(first, valid_to=at("2026-06-08 00:00").date())
    second = replace(first, version="2", valid_from=at("2026-06-09 00:00").date(), valid_to=None)
    law = replace(PACK, rules=rules(first, second))
    assert answer(Question("SP4N-2", at("2026-06-08 23:59")), law)["version"] == "1"
    assert answer(Question("SP4N-2", at("2026-06-09 00:00")), law)["version"] == "2"


def test_pauses_as_text() -> None:
    assert span("a/b", "pause 1") == ["a", "b"]
    assert span("a/", "pause 1") == span("a/..", "pause 1") == ["a", None]
    with pytest.raises(Refused, match="FROM/TO"):
        span("a", "pause 1")


# -- over HTTP -----------------------------------------------------------------------------------------------------------


async def get(query: str = "", **parameters: str) -> httpx.Response:
    chassis: Any = SimpleNamespace(settings=SimpleNamespace(pack=FOLDER))
    transport = httpx.ASGITransport(make_api(Monitor(PACK, lambda: PACK), chassis))
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
        return await client.get(f"/calculator?{query}", params=parameters or None)


async def test_over_http_it_answers_as_on_the_command_line() -> None:
    pause = "2026-06-09T10:00:00+08:00/2026-06-10T09:00:00+08:00"
    query = {"pack": "id", "rule": "SP4N-2", "start": MONDAY.isoformat(), "calendar": "five-day", "pause": pause}
    answered = await get(**query)
    assert answered.status_code == 200
    stood = (Pause(at("2026-06-09 10:00"), at("2026-06-10 09:00")),)
    assert answered.json() == answer(Question("SP4N-2", MONDAY, "five-day", stood), PACK)


async def test_a_plus_sign_typed_into_an_address_bar_is_understood() -> None:
    typed = "rule=KIP-1&start=2026-06-08T09:00:00+08:00&extend=true&pause=2026-06-09T10:00:00+08:00/"
    answered = await get(typed)
    assert answered.status_code == 200
    assert (answered.json()["length"], answered.json()["due_at"]) == (17, None)
    two = await get(
        "rule=SP4N-2&start=2026-06-08T09:00:00%2B08:00"
        "&pause=2026-06-09T10:00:00+08:00/2026-06-10T09:00:00+08:00&pause=2026-06-11T10:00:00+08:00/2026-06-12T09:00:00+08:00"
    )
    assert [day["reason"] for day in two.json()["days"]].count("paused at the end of the day") == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "rule"),
        ("rule=SP4N-2", "start"),
        ("rule=SP4N-2&start=2026-06-08", "start"),
        ("rule=SP4N-2&start=2026-06-08T09:00:00Z&rule=SP4N-1", "rule"),
        ("rule=SP4N-2&start=2026-06-08T09:00:00Z&extend=perhaps", "extend"),
        ("rule=SP4N-2&start=2026-06-08T09:00:00Z&pause=soon", "pause 1"),
        ("rule=SP4N-2&start=2026-06-08T09:00:00Z&calender=six-day", "question"),
        ("rule=SP4N-2&start=2026-06-08T09:00:00Z&pack=nyc311", "pack"),
    ],
)
async def test_over_http_a_refusal_is_a_problem_detail(query: str, field: str) -> None:
    refused = await get(query)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in refused.json()["errors"]] == [field]
