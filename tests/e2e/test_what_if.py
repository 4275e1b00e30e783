"""The what-if, as a stranger asks it: a few rows whose every deadline is counted by hand, under a draft that counts working
days for the citizen and hours for the agency. Afterwards `verify` and `explain` find the pack that the replay ran with."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.support import Ended, replay, verify
from tests.support.up import Up

from amanah import project

DRAFT = """
backdating: {channels: [counter, import], actors: [officer]}
rules:
  - {id: two-days, version: draft, stage: resolution, bound_to: citizen, unit: working_day, length: 2,
     start: [complaint.submitted], stop: [case.resolved], law: a draft of a test, verified: false}
  - {id: a-day, version: draft, stage: first_reply, bound_to: holder, unit: hour, length: 24,
     start: [complaint.routed], stop: [case.acknowledged, case.replied, case.resolved], law: a draft of a test,
     verified: false}
"""


def at(day: int, hour: int) -> str:
    """Of June 2018 in New York, four hours behind; its first was a Friday."""
    return f"2018-06-{day:02}T{hour:02}:00:00.000"


def row(number: str, agency: str, filed: str, closed: str | None = None, due: str | None = None) -> dict[str, str]:
    values = {"unique_key": number, "created_date": filed, "closed_date": closed, "due_date": due, "agency": agency}
    return {name: value for name, value in (values | {"complaint_type": "No such type"}).items() if value is not None}


ROWS = [
    # From Monday, two working days end with Wednesday; a day to answer ends on Tuesday.
    row("kept", "DOT", at(4, 10), closed=at(4, 12), due=at(5, 10)),
    row("broken-now-only", "DOT", at(4, 10), closed=at(6, 10), due=at(5, 10)),  # the answer also comes too late
    row("broken-by-the-draft-only", "HPD", at(4, 10), closed=at(7, 9), due=at(15, 10)),
    # From Friday, they end with Tuesday: at the very midnight it is in time.
    row("at-the-very-midnight", "HPD", at(1, 10), closed=at(6, 0)),
    # Filed after closing time, so as if on Friday.
    row("never-closed", "HPD", at(7, 18)),
    # A person in triage gives it to the call centre. The log ends before either of its new deadlines.
    row("too-young", "XYZ", at(14, 11), due=at(15, 9)),
]
BREACHED = {
    ("broken-now-only", "first_reply", "2018-06-05T14:00:00Z"),
    ("broken-by-the-draft-only", "first_reply", "2018-06-05T14:00:00Z"),
    ("broken-by-the-draft-only", "resolution", "2018-06-07T04:00:00Z"),
    ("at-the-very-midnight", "first_reply", "2018-06-02T14:00:00Z"),
    ("never-closed", "first_reply", "2018-06-08T22:00:00Z"),
    ("never-closed", "resolution", "2018-06-13T04:00:00Z"),
}
COLUMNS = ("agency", "stage", "clocks", "met", "breached", "open", "breached_now")
TABLE = [
    ("dot", "first_reply", 2, 1, 1, 0, 0),
    ("dot", "resolution", 2, 2, 0, 0, 1),
    ("hpd", "first_reply", 3, 0, 3, 0, 0),
    ("hpd", "resolution", 3, 1, 2, 0, 0),
    ("nyc311", "first_reply", 1, 0, 0, 1, 0),
    ("nyc311", "resolution", 1, 0, 0, 1, 1),
]


def explain(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amanah.main", "explain", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=project.ROOT)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("log") / "log.json"
    file.write_text(json.dumps(ROWS))
    return file


@pytest.fixture(scope="module")
def done(data: Path, log: Path) -> Ended:
    draft = log.with_name("stricter.yaml")
    draft.write_text(DRAFT)
    return replay(data, log, "--rules", str(draft))


def test_it_succeeds_and_both_ways_to_the_answer_agree(done: Ended) -> None:
    assert (done.code, done.figures.get("findings")) == (0, []), done.err
    assert "verify: nothing found" in done.out


def test_each_breach_is_said_at_the_instant_counted_by_hand(done: Ended) -> None:
    assert {(b["source_id"], b["stage"], b["breached_at"]) for b in done.figures["breaches"]} == BREACHED
    assert (done.figures["breached"], done.figures["withdrawn"]) == (6, 0)


def test_the_answer_by_agency_and_stage(done: Ended) -> None:
    assert done.figures["what_if"] == {
        "rules": "stricter",
        "by_agency_and_stage": [dict(zip(COLUMNS, line, strict=True)) for line in TABLE],
        "breached": 6,
        "breached_now": 2,
    }


def test_a_person_sees_the_change_of_each_line_and_of_all(done: Ended) -> None:
    cells = [re.split(r"\s{2,}", line.strip()) for line in done.out.splitlines() if re.search(r"\d → \d", line)]
    assert cells == [
        ["dot", "first_reply", "2", "1", "1", "0", "0 → 1", "+1"],
        ["dot", "resolution", "2", "2", "0", "0", "1 → 0", "-1"],
        ["hpd", "first_reply", "3", "0", "3", "0", "0 → 3", "+3"],
        ["hpd", "resolution", "3", "1", "2", "0", "0 → 2", "+2"],
        ["nyc311", "first_reply", "1", "0", "0", "1", "0 → 0", "0"],
        ["nyc311", "resolution", "1", "0", "0", "1", "1 → 0", "-1"],
        ["all", "12", "4", "6", "2", "2 → 6", "+4"],
    ]


def test_a_draft_that_contradicts_itself_is_refused_at_once_and_nothing_is_touched(
    done: Ended, data: Path, log: Path
) -> None:
    assert done.code == 0
    before = (data / "history.jsonl").read_bytes()
    wrong = log.with_name("wrong.yaml")
    wrong.write_text(DRAFT.replace("length: 24", "length: 0"))
    refused = replay(data, log, "--rules", str(wrong))
    assert refused.code == 1
    [line] = refused.err.splitlines()
    assert line.startswith(f"amanah: {wrong}: rule a-day: length: ")
    assert (refused.out, refused.figures) == ("", {})
    assert (data / "history.jsonl").read_bytes() == before
    assert (data / "pack" / "nyc311-stricter" / "rules.yaml").read_text() == DRAFT


def test_verify_agrees_on_the_stopped_stack(done: Ended, data: Path) -> None:
    again = verify(data)
    assert (again.code, again.figures["findings"]) == (0, [])
    assert again.figures["breaches"] == done.figures["breaches"]


def test_explain_shows_the_draft_and_its_receipt_holds_by_the_pack_of_the_run(
    done: Ended, data: Path, tmp_path: Path
) -> None:
    assert done.code == 0
    filings = [json.loads(line) for line in (data / "history.jsonl").read_text().splitlines()]
    complaint = next(f["complaint_id"] for f in filings if f.get("source_id") == "never-closed")
    pack = json.loads((data / "stack.json").read_text())["pack"]
    with Up(data, "--pack", pack) as up:
        up.ready()
        told = explain(complaint, "--data", str(data), "--json")
    assert told.returncode == 0, told.stderr
    clocks = {clock["stage"]: clock for clock in json.loads(told.stdout)["clocks"]}
    assert (clocks["resolution"]["rule"], clocks["resolution"]["state"]) == ("two-days", "breached")
    assert clocks["resolution"]["due_at"] == "2018-06-13T00:00:00-04:00"
    saved = tmp_path / "receipt.json"
    saved.write_text(told.stdout)
    assert "holds" in explain("--receipt", str(saved), "--pack", pack).stdout
