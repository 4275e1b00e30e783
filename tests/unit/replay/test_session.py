"""Where a replay may begin anew, and what it hands over."""

import json
from pathlib import Path
from typing import Any

import pytest

from amanah.embedded.home import Home
from amanah.fault import Fault
from amanah.replay.session import Replayed, _given_only, as_json, fresh
from amanah.replay.what_if import Line, WhatIf
from amanah.verify.result import Result


def contents(data: Path) -> set[str]:
    return {entry.name for entry in data.iterdir()}


def test_a_new_directory_is_marked_as_a_replays_at_once(tmp_path: Path) -> None:
    fresh(tmp_path / "a" / "data")
    assert contents(tmp_path / "a" / "data") == {"history.jsonl", "lock"}


def test_an_earlier_replay_is_emptied_wherever_it_was_interrupted(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    data = tmp_path / "data"
    fresh(data)
    (data / "kafka" / "logs").mkdir(parents=True)
    (data / "kafka" / "logs" / "0").touch()
    (data / "stack.json").touch()
    (data / "link").symlink_to(elsewhere)
    fresh(data)
    assert contents(data) == {"history.jsonl", "lock"}
    assert contents(elsewhere) == {"kept"}


@pytest.mark.parametrize("name", ["letter.txt", "stack.json", "secrets"])
def test_a_folder_with_anything_else_is_left_alone_also_a_deployments(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(Fault, match="is not empty and no data directory of a replay; name another with --data"):
        fresh(tmp_path)
    assert contents(tmp_path) == {name}


def test_a_replay_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    fresh(tmp_path)
    (tmp_path / "kafka").mkdir()
    running = Home(tmp_path)
    running.take()
    with pytest.raises(Fault, match="A stack already runs on"):
        fresh(tmp_path)
    assert "kafka" in contents(tmp_path)
    running.release()


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(Fault, match="No data can be kept in"):
        fresh(tmp_path / "data")


def figures(what_if: WhatIf | None) -> dict[str, Any]:
    done = Replayed(1, [], {}, None, 1.5, Result(), what_if)
    found: dict[str, Any] = json.loads(as_json(done))
    return found


def test_the_figures_of_a_replay_are_the_same_with_and_without_a_draft_but_for_its_answer() -> None:
    plain = figures(None)
    assert list(plain) == [
        "rows", "filed", "rejected", "routed", "met", "breached", "open", "withdrawn", "notices", "breaches", "lost",
        "duplicated", "seconds", "redelivered", "filing_to_agency_ms", "rejections", "refused_closings", "findings",
    ]  # fmt: skip
    line = Line("dot", "resolution", clocks=3, met=1, breached=2, open=0, breached_now=1)
    answer = {
        "rules": "ten-days",
        "by_agency_and_stage": [
            {"agency": "dot", "stage": "resolution", "clocks": 3, "met": 1, "breached": 2, "open": 0, "breached_now": 1}
        ],
        "breached": 2,
        "breached_now": 1,
    }
    assert figures(WhatIf("ten-days", [line])) == {**plain, "what_if": answer}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[{unit: given}]", True),
        ("[{unit: given}, {unit: working_day}]", False),
        ("[{unit: given, thresholds: [{name: half, percent: 50}]}]", False),
    ],
)
def test_only_where_nothing_but_the_source_s_own_dates_counts_does_the_log_name_every_instant(
    tmp_path: Path, rules: str, expected: bool
) -> None:
    (tmp_path / "rules.yaml").write_text(f"rules: {rules}")
    assert _given_only(tmp_path) is expected
