"""`amanah due`: one question on the command line, and lines of them on stdin."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah import main, project
from amanah.due.lines import answers
from amanah_sla_monitor.calculator import load

LAW = load(project.pack("id"))
QUESTION = ("due", "--pack", "id", "--rule", "SP4N-2", "--start", "2026-03-16T09:00:00+08:00")
GOOD = {"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00"}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    return int(end.value.code or 0)


def test_it_prints_the_receipt_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    pause = "2026-03-25T10:00:00+08:00/2026-03-26T09:00:00+08:00"
    assert run(*QUESTION, "--calendar", "five-day", "--pause", pause, "--pause", pause, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rule"], found["due_at"], found["verified"]) == ("SP4N-2", "2026-04-01T00:00:00+08:00", True)


def test_it_tells_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*QUESTION) == 0
    told = capsys.readouterr().out
    for words in (
        "SP4N-2: 5 working days",
        "  due       Tue 2026-03-31 00:00:00 +08:00",
        "  warning   Mon 2026-03-30 07:30:00 +08:00, last_day",
        "  level 2   Thu 2026-04-02 00:00:00 +08:00, kepala_opd",
        "    Thu 2026-03-19  skipped  holiday: Hari Suci Nyepi",
        "    Mon 2026-03-30  counted  day 5",
    ):
        assert words in told.splitlines()


def test_an_extension_and_an_open_pause(capsys: pytest.CaptureFixture[str]) -> None:
    start = "2026-06-08T09:00:00+08:00"
    assert run("due", "--rule", "KIP-1", "--start", start, "--extend", "--json") == 0
    assert json.loads(capsys.readouterr().out)["length"] == 17
    assert run("due", "--rule", "KIP-1", "--start", start, "--pause", "2026-06-09T09:00:00+08:00/") == 0
    assert "no date: the clock stands still" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("due",), "Give --rule and --start, or --stdin."),
        (("due", "--stdin", "--rule", "SP4N-2"), "each line brings its own"),
        ((*QUESTION[:-1], "2026-03-16T09:00:00"), "start: the offset from UTC is missing"),
        ((*QUESTION, "--pause", "soon"), "pause 1: FROM/TO is expected"),
        ((*QUESTION, "--calendar", "moon"), "calendar: pack id has no such calendar"),
        ((*QUESTION, "--extend"), "rule SP4N-2 knows no extension"),
        (("due", "--rule", "X", "--start", "2026-03-16T09:00:00+08:00"), "pack id has no such rule"),
    ],
)
def test_a_mistake_is_said_in_one_line_with_code_2(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_line_for_each_line_in_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.dumps(GOOD), "", "not JSON", json.dumps(GOOD | {"rule": "UU25-44-1"}), "[]", json.dumps(GOOD)]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(lines).encode())))
    assert run("due", "--pack", "id", "--stdin") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer.get("rule", "error") for answer in found] == [
        "SP4N-2",
        "error",
        "error",
        "UU25-44-1",
        "error",
        "SP4N-2",
    ]
    assert all(answer.keys() == {"error"} for answer in found if "error" in answer)


HOSTILE = [
    b"",
    b"\xff\xfe{",
    b"\x00",
    b"[" * 200_000,
    b'{"rule":' + b"9" * 10_000 + b"}",
    b'{"rule": NaN}',
    b'{"rule": "\\ud800", "start": "\\ud800"}',
    b'{"rule": "SP4N-2", "start": "9999-12-31T23:59:59.999999-23:59"}',
    b'{"rule": "SP4N-2", "start": "0001-01-01T00:00:00+23:59"}',
    b'{"rule": "ORI-24-3", "start": "9999-01-01T00:00:00+00:00"}',
    json.dumps(GOOD | {"pauses": [["2026-03-17T00:00:00+08:00", "9999-12-31T00:00:00+00:00"]]}).encode(),
    json.dumps(GOOD | {"pauses": {}}).encode(),
    json.dumps(GOOD | {"rule": {}}).encode(),
]


@pytest.mark.parametrize("line", HOSTILE)
def test_no_line_stops_it(line: bytes) -> None:
    bad, good = answers([line, json.dumps(GOOD).encode()], LAW)
    assert json.loads(bad).keys() == {"error"}
    assert json.loads(good)["due_at"] == "2026-03-31T00:00:00+08:00"


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
stamps = st.datetimes(timezones=st.timezones()).map(lambda d: d.isoformat()) | st.text(max_size=12) | junk
questions = st.fixed_dictionaries(
    {"rule": st.sampled_from([rule.id for rule in LAW.rules]) | junk, "start": stamps},
    optional={
        "calendar": st.sampled_from([*LAW.calendars.by_id]) | junk,
        "pauses": st.lists(st.tuples(stamps, st.none() | stamps), max_size=3) | junk,
        "extend": st.booleans() | junk,
    },
)


@given(st.lists(junk | questions, min_size=1, max_size=5))
def test_whatever_is_asked_is_answered_by_a_line_of_its_own(asked: list[Any]) -> None:
    lines = [json.dumps(question).encode() for question in asked]
    for told in answers(lines, LAW):
        found = json.loads(told)
        assert "\n" not in told
        assert ("due_at" in found and len(found["days"]) > 0) or found.keys() == {"error"}
    assert len(list(answers(lines, LAW))) == len(asked)
