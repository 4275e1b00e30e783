"""What a person is told, in one line and with an exit code, when the machine is not as it should be; and that nothing is
left behind then."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.support.stack import Embedded
from tests.support.up import NO_NETWORK, Up, folder, until

from amanah.embedded import databases
from amanah.embedded.services import SERVICES


@pytest.fixture
def data() -> Iterator[Path]:
    with folder() as data:
        yield data


def told(up: Up, code: int = 1) -> str:
    """The one line that remains after the steps, of a run that ended by itself."""
    with up:
        assert up.ended() == code
        assert up.left() == []
        assert up.out == []
        assert "Traceback" not in "".join(up.err)
        return up.err[-1]


def test_a_taken_port(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = told(Up(data, "--kafka-port", str(port)))
    assert line == f"amanah: Port {port} for kafka is taken. Stop what listens there, or give another port.\n"


def test_an_unknown_service_and_an_unknown_option(data: Path) -> None:
    assert "There is no service 'intak'" in told(Up(data, "--http.intak", "9000"), 2)
    assert "Unknown option: --prot-base" in told(Up(data, "--prot-base", "9000"), 2)


def test_a_place_where_nothing_can_be_written() -> None:
    line = told(Up(Path("/proc/amanah")))
    assert line.startswith("amanah: No data can be kept in /proc/amanah: ")
    assert line.endswith("Give another --data.\n")


def test_data_of_another_postgresql(data: Path) -> None:
    cluster = data / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    data.chmod(0o711)
    (cluster / "PG_VERSION").write_text("17\n")
    line = told(Up(data, "--no-services"))
    assert "is of PostgreSQL 17, this is PostgreSQL 18. Give another directory with --data" in line


def test_no_network_and_nothing_downloaded(data: Path) -> None:
    empty = {"XDG_CACHE_HOME": str(data.parent / "empty")}
    line = told(Up(data, "--no-services", environment=NO_NETWORK | empty))
    assert "could not be downloaded: no connection" in line
    assert "It is needed once; later starts work offline." in line


def test_a_full_disk(data: Path) -> None:
    data.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=64m", "amanah", str(data)]
    if os.geteuid() != 0 or subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("a small disk takes the right to mount one")
    try:
        line = told(Up(data))
    finally:
        subprocess.run(["umount", data], check=True)
    assert line.startswith(f"amanah: The disk of {data} is nearly full: 6")
    assert line.endswith("MB are left, 512 needed. Make room, or give a --data elsewhere.\n")


def test_servers_that_do_not_answer(data: Path) -> None:
    nobody = "127.0.0.1:9"
    assert "'kafka' is no address of a Kafka broker" in told(Up(data, environment={"AMANAH_KAFKA": "kafka"}))
    away = {"AMANAH_POSTGRES": f"postgresql://postgres:secret@{nobody}/", "AMANAH_KAFKA": nobody}
    line = told(Up(data, environment=away))
    assert line.startswith("amanah: PostgreSQL cannot be reached: ")
    assert "secret" not in line


def test_two_stacks_side_by_side_and_an_interrupted_start(data: Path) -> None:
    with folder("other") as other, Up(data, "--no-services") as first, Up(other, "--no-services") as second:
        # Both at the same moment: neither may take a port that the other has chosen and does not yet listen on.
        first.ready()
        second.ready()
        assert first.place("kafka") != second.place("kafka")
        for up in (first, second):
            with psycopg.connect(up.place("postgres")) as db:
                assert db.execute("select current_setting('data_directory')").fetchone() == (
                    str(up.data / "postgres" / "cluster"),
                )
        assert first.end(signal.SIGTERM) == 0
        assert first.left() == []
        assert second.processes().keys() == {"kafka", "postgres"}
        with Up(data, "--no-services") as interrupted:
            interrupted.says("Starting Kafka")
            assert interrupted.end(signal.SIGINT) == 0
            assert interrupted.left() == []
            assert interrupted.err[-1] == "amanah: Stopped. The data is kept.\n"
        assert second.end(signal.SIGHUP) == 0
        assert second.left() == []


def test_existing_servers_are_used_and_none_is_started(data: Path, embedded: Embedded) -> None:
    servers = {"AMANAH_POSTGRES": embedded.stack.admin_dsn(), "AMANAH_KAFKA": embedded.kafka}
    try:
        with Up(data, environment=servers) as up:
            up.ready()
            assert up.processes().keys() == set(SERVICES)
            assert up.place("kafka") == embedded.kafka
            assert not (data / "postgres").exists()
            subprocess.run(["sh", "-c", up.command("Idempotency-Key")], capture_output=True, check=True)
            until(lambda: _routed(embedded), 60)
            assert up.end(signal.SIGTERM) == 0
            assert up.left() == []
    finally:
        _drop(embedded)


def _routed(embedded: Embedded) -> bool:
    with psycopg.connect(embedded.stack.admin_dsn("amanah_routing")) as db:
        return db.execute("select from chassis_outbox where sent_at is not null").fetchone() is not None


def _drop(embedded: Embedded) -> None:
    """The next run comes with keys of its own, and could not read what this one sealed."""
    with psycopg.connect(databases.to(embedded.stack.admin_dsn(), "postgres"), autocommit=True) as db:
        for service in SERVICES:
            db.execute(f"drop database if exists amanah_{service} with (force)")  # type: ignore[call-overload]
