"""Parts of the embedded stack that decide something: addresses, topics, paces, last words, environments."""

import asyncio
import os
import pwd
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import psutil
import pytest

from amanah import project
from amanah.embedded import children, databases, kafka, places, topics
from amanah.embedded.secrets import Secrets
from amanah.embedded.services import told
from amanah.embedded.supervisor import Pace, Supervised
from amanah.embedded.topics import Topic
from amanah.fault import Fault

SOCKET = "postgresql://postgres:p%40ss@/postgres?host=/run/a%20b&port=5432"
TCP = "postgresql://admin:secret@db.example:6543/postgres?sslmode=require"


@pytest.mark.parametrize(
    ("superuser", "expected"),
    [
        (SOCKET, "postgresql://amanah_intake:a%2Fb@/amanah_intake?host=/run/a+b&port=5432"),
        (TCP, "postgresql://amanah_intake:a%2Fb@db.example:6543/amanah_intake?sslmode=require"),
    ],
)
def test_a_role_gets_its_own_name_password_and_database(superuser: str, expected: str) -> None:
    assert databases.for_role(superuser, "amanah_intake", "amanah_intake", "a/b") == expected


def test_another_database_of_the_superuser() -> None:
    assert databases.to(TCP, "amanah_intake") == TCP.replace("/postgres?", "/amanah_intake?")


@pytest.mark.parametrize(("text", "expected"), [("localhost:9092", ("localhost", 9092)), ("[::1]:1", ("::1", 1))])
def test_the_address_of_a_broker(text: str, expected: tuple[str, int]) -> None:
    assert kafka.address(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "localhost:", ":9092", "localhost:kafka"])
def test_what_is_no_address_of_a_broker(text: str) -> None:
    with pytest.raises(Fault, match="It looks like 127"):
        kafka.address(text)


async def test_a_broker_that_is_not_there_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await kafka.serving("127.0.0.1:9", 0.1)


def test_topics_of_a_pack_are_those_of_the_contracts_with_one_pair_for_each_agency() -> None:
    pack = project.pack("nyc311")
    names = [topic.name for topic in topics.of(pack)]
    assert len(names) == len(set(names))
    assert {"amanah.complaints", "amanah.deadlines", "amanah.ombudsman"} <= set(names)
    for code in topics.agencies(pack):
        assert {f"amanah.agency.{code}", f"amanah.agency.{code}.replies"} <= set(names)


def test_a_pack_without_readable_agencies(tmp_path: Path) -> None:
    for content in ("agencies: {", "[]", "agencies: [{name: x}]"):
        (tmp_path / "agencies.yaml").write_text(content)
        with pytest.raises(Fault, match=r"agencies\.yaml cannot be read"):
            topics.agencies(tmp_path)


@pytest.mark.parametrize(("partitions", "words"), [(0, "missing"), (2, "should have 3 partitions"), (3, ""), (6, "")])
def test_how_a_topic_differs(partitions: int, words: str) -> None:
    assert topics.difference(Topic("a", 3, {}), partitions) == words


def test_topics_of_a_broker_that_does_not_answer() -> None:
    with pytest.raises(Fault, match=r"Kafka at 127\.0\.0\.1:9 does not answer\. Start a stack"):
        topics.present("127.0.0.1:9", 0.2)


def test_the_pace_of_starts_slows_down_only_after_quick_deaths_in_a_row() -> None:
    pace = Pace()
    assert [pace.after(0.1) for _ in range(10)] == [0, 0, 0, 0.5, 1, 2, 4, 8, 15, 15]
    assert pace.after(60) == 0
    assert pace.after(0.1) == 0


async def test_who_dies_is_started_again_and_its_death_is_told(tmp_path: Path) -> None:
    deaths: list[tuple[str, int]] = []

    def launch() -> "asyncio.Future[Process]":
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        return asyncio.ensure_future(children.start(command, tmp_path / "log"))

    part = Supervised("part", launch, signal.SIGTERM, died=lambda name, code: deaths.append((name, code)))
    await part.start()
    first = part.pid
    part._process.kill()  # type: ignore[union-attr]
    async with asyncio.timeout(10):
        while part.pid == first:
            await asyncio.sleep(0.01)
    assert (deaths, part.restarts, part.last_code) == ([("part", -9)], 1, -9)
    assert part.alive
    await part.stop()
    assert not part.alive
    assert part.restarts == 1


async def test_who_ignores_the_signal_is_killed_in_the_end(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, 1); print('deaf', flush=True); time.sleep(60)"
    process = await children.start([sys.executable, "-c", code], tmp_path / "log")
    async with asyncio.timeout(10):
        while not children.last_words(tmp_path / "log"):
            await asyncio.sleep(0.01)
    await children.stop(process, signal.SIGTERM, 0.1)
    assert process.returncode == -signal.SIGKILL


async def test_a_program_that_is_no_longer_waited_for_is_ended_with_all_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    work = asyncio.ensure_future(children.run(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], log))
    async with asyncio.timeout(10):
        while not children.last_words(log):
            await asyncio.sleep(0.01)
        grandchild = int(children.last_words(log))
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)


def test_last_words_leave_out_where_in_the_code_it_was(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert children.last_words(log) == ""
    log.write_text("one\ntwo\nError: no room\n\tat kafka.Kafka.main(Kafka.scala)\n\t... 3 more\n")
    assert children.last_words(log, 2) == "two | Error: no room"


async def test_a_log_is_set_aside_when_it_has_grown_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LOG_LIMIT", 3)
    for word in ("first", "second"):
        await (await children.start(["/bin/echo", word], tmp_path / "a.log")).wait()
    assert (tmp_path / "a.log.1").read_text() == "first\n"
    assert (tmp_path / "a.log").read_text() == "second\n"


def test_each_service_is_told_its_own_secrets_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMANAH_POSTGRES", "the superuser's")
    monkeypatch.setenv("PGPASSWORD", "somebody's")
    http = {"intake": 1, "notifier": 2}
    for name, own in (("intake", "AMANAH_KEY_FILE"), ("notifier", "AMANAH_WEBHOOK_SECRET_FILE")):
        known = told(name, kafka="k", database="d", pack=tmp_path, http=http, secrets=Secrets(tmp_path / "s"), extra={})
        assert {"AMANAH_KEY_FILE", "AMANAH_WEBHOOK_SECRET_FILE"} & known.keys() == {own}
        assert not {"AMANAH_POSTGRES", "PGPASSWORD"} & known.keys()
        assert known["AMANAH_HTTP"] == f"127.0.0.1:{http[name]}"


def test_a_socket_goes_elsewhere_when_its_path_is_too_long_or_reads_as_a_list(tmp_path: Path) -> None:
    short, long, listed = tmp_path / "a", tmp_path / ("b" * 100), tmp_path / "a,b"
    assert places.socket(short, None) == short / "socket"
    for home in (long, listed):
        place = places.socket(home, None)
        assert not place.is_relative_to(home)
        assert len(str(place)) < 60
        place.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only under root PostgreSQL is another user")
def test_under_root_a_closed_directory_gets_a_stand_in_which_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "STAND_INS", tmp_path)
    who = pwd.getpwnam("nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wanted = [closed / name for name in ("kept", "gone", "running")]
    for directory in wanted:
        directory.mkdir()
    kept, gone, running = (places.data(directory, who) for directory in wanted)
    assert {kept.parent, gone.parent, running.parent} == {tmp_path}
    assert kept.stat().st_uid == who.pw_uid
    (running / "cluster").mkdir()
    (running / "cluster" / "postmaster.pid").write_text("1")
    for directory in wanted[1:]:
        directory.rmdir()
    assert places.data(wanted[0], who) == kept
    assert kept.exists()
    assert running.exists()
    assert not gone.exists()
