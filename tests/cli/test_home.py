"""A stack's data directory, its secrets and what it tells others."""

import os
import stat
from pathlib import Path

import pytest

from amanah import project
from amanah.embedded import home as homes
from amanah.embedded.home import Home, State
from amanah.embedded.secrets import Secrets
from amanah.fault import Fault


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout's own folder of stacks, here."""
    monkeypatch.setattr(project, "STATE", tmp_path / "state")
    return tmp_path / "state"


def a_state(data: Path) -> State:
    dsn = "postgresql://postgres:p@/postgres?host=/run/here&port=5432"
    return State(str(data), "packs/x", 1, "127.0.0.1:8100", dsn, {"kafka": 8100, "intake": 8101}, ["intake"])


def test_one_stack_at_a_time_and_the_message_names_the_holder(tmp_path: Path) -> None:
    first, second = Home(tmp_path / "data"), Home(tmp_path / "data")
    first.take()
    with pytest.raises(Fault, match=rf"already runs on .*data \(process {os.getpid()}\)\. Stop it, or give another"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Fault, match=r"No data can be kept in .*data: File exists\. Give another --data"):
        Home(tmp_path / "data").take()


def test_a_nearly_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes.shutil, "disk_usage", lambda _: type("usage", (), {"free": 100 * 2**20}))
    with pytest.raises(Fault, match="nearly full: 100 MB are left, 512 needed"):
        Home(tmp_path).take()


def test_what_is_written_is_read_by_others_and_is_the_newest(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(a_state(tmp_path), newest=True)
    assert homes.read() == homes.read(tmp_path) == a_state(tmp_path)
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600
    assert home.earlier_ports() == {"kafka": 8100, "intake": 8101}
    assert homes.earlier_pack(tmp_path) == "packs/x"
    assert homes.read().url("intake") == "http://127.0.0.1:8101"
    assert homes.read().dsn("intake").startswith("postgresql://amanah_intake:")


def test_a_stack_that_no_person_started_is_not_what_other_commands_mean(tmp_path: Path) -> None:
    Home(tmp_path).write(a_state(tmp_path))
    assert homes.read(tmp_path) == a_state(tmp_path)
    with pytest.raises(Fault, match="No stack was ever started here"):
        homes.read()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"data": 1}', "half {"])
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    assert Home(tmp_path).earlier_ports() == {}
    assert homes.earlier_pack(tmp_path) is None
    with pytest.raises(Fault, match=r"There is no stack in .* Start one with \./amanah up --data"):
        homes.read(tmp_path)


def test_before_the_first_start() -> None:
    with pytest.raises(Fault, match="No stack was ever started here"):
        homes.read()


def test_secrets_are_made_once_each_its_own_and_closed_to_others(tmp_path: Path) -> None:
    first, again = Secrets(tmp_path / "secrets"), Secrets(tmp_path / "secrets")
    assert first.password("a") == again.password("a") != first.password("b")
    assert first.token().read_text() == again.token().read_text()
    assert first.webhook().read_text().startswith("whsec_")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "secrets").iterdir()} == {0o600}
