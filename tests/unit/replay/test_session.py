"""Where a replay may begin anew."""

from pathlib import Path

import pytest

from amanah.embedded.home import Home
from amanah.fault import Fault
from amanah.replay.session import fresh


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
