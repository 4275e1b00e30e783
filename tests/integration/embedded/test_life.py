"""The life of one stack, told in order: it starts offline through a link from a strange folder, serves, loses every part
and its supervisor to SIGKILL, comes back with its data, and goes without a trace."""

import json
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.support.up import NO_NETWORK, Up, folder, until

from amanah import project

SERVICES = ("intake", "routing", "casework", "sla_monitor", "notifier")


class Life:
    """The stack now running on one data directory; it may be begun again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.secrets: list[str] = []

    def begin(self, stack: ExitStack) -> None:
        link = self.data.parent / "linked amanah"
        if not link.is_symlink():
            link.symlink_to(project.ROOT / "amanah")
        strange = self.data.parent
        self.up = Up(self.data, environment=NO_NETWORK, command=[str(link)], cwd=strange).ready()
        stack.enter_context(self.up)

    def file(self) -> None:
        """Files a complaint exactly as the printed command does."""
        answer = subprocess.run(
            ["sh", "-c", self.up.command("Idempotency-Key")], capture_output=True, text=True, check=True
        )
        self.secrets.append(json.loads(answer.stdout)["tracking_secret"])

    def status(self, secret: str) -> dict[str, object]:
        """Follows it as printed."""
        printed = shlex.split(self.up.command("Authorization"))
        url = next(word for word in printed if word.startswith("http"))
        header = next(word for word in printed if word.startswith("Authorization")).partition(": ")[2]
        answer = httpx.get(url, headers={"Authorization": header.replace("SECRET", secret)})
        return dict(answer.raise_for_status().json())

    def routed(self) -> None:
        """Waits until the last complaint is at the agency that the pack's rules name."""

        def arrived() -> bool:
            try:
                return self.status(self.secrets[-1])["agency"] == "dot"
            except httpx.HTTPError:  # intake is just being started again
                return False

        until(arrived, 60)


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    with folder("ein Ordner, 市") as data, ExitStack() as stack:
        data.parent.mkdir(exist_ok=True)
        life = Life(data)
        life.begin(stack)
        life.stack = stack
        yield life


def test_it_says_where_everything_is(life: Life) -> None:
    for service in SERVICES:
        assert httpx.get(f"{life.up.place(service)}/readyz").status_code == 200
    host, _, port = life.up.place("kafka").rpartition(":")
    socket.create_connection((host, int(port))).close()
    with psycopg.connect(life.up.place("postgres")) as db:
        assert db.execute("show data_directory").fetchone() is not None
    assert Path(life.up.place("data")) == life.data
    assert (Path(life.up.place("logs")) / "intake.log").is_file()
    assert "Stop with Ctrl-C" in life.up.out[-1]
    assert (life.data.parent / "state" / "latest").read_text().strip() == str(life.data)  # what other commands look for


def test_the_printed_commands_file_and_follow_a_complaint(life: Life) -> None:
    life.file()
    life.routed()


def test_a_second_stack_on_the_same_data_is_refused(life: Life) -> None:
    with Up(life.data) as second:
        assert second.ended() == 1
        assert len(second.err) == 1
        assert f"already runs on {life.data} (process {life.up.pid})" in second.err[0]
    assert httpx.get(f"{life.up.place('intake')}/readyz").status_code == 200


@pytest.mark.parametrize("part", ["intake", "kafka", "postgres"])
def test_a_killed_part_comes_back_and_the_work_goes_on(life: Life, part: str) -> None:
    life.up.kill(part)
    life.up.says(f"{part} was killed by signal 9 and is started again")
    until(lambda: _answers(f"{life.up.place('intake')}/readyz"), 60)
    life.file()
    life.routed()


def test_with_the_supervisor_everything_dies_and_the_next_start_finds_its_data(life: Life) -> None:
    before = life.up.processes()
    assert set(before) == {*SERVICES, "kafka", "postgres"}
    life.up.end(signal.SIGKILL)
    until(lambda: not life.up.left(), 20)
    kafka = life.up.place("kafka")
    life.begin(life.stack)
    assert life.up.place("kafka") == kafka
    assert {life.status(secret)["agency"] for secret in life.secrets} == {"dot"}
    life.file()
    life.routed()


def test_a_clean_stop_leaves_no_process_and_no_traceback(life: Life) -> None:
    assert life.up.end(signal.SIGINT) == 0
    assert life.up.left() == []
    assert life.up.err[-1] == "amanah: Stopped. The data is kept.\n"
    assert "Traceback" not in "".join(life.up.err)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False
