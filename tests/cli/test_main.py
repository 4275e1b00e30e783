"""The command line itself: help, mistakes, interruption."""

import signal
import subprocess
import sys

import pytest

from amanah import main
from amanah.commands import topics
from amanah.fault import Fault

COMMANDS = tuple(name for name in main.app if not name.startswith("-"))


def run(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    return int(end.value.code or 0)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command_and_the_way_to_begin(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture
) -> None:
    assert run(*arguments) == 0
    out = capsys.readouterr().out
    assert "Start with: ./amanah up" in out
    assert {"up", "test"} <= set(COMMANDS)
    assert all(f" {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture) -> None:
    assert run(command, "--help") == 0
    out = capsys.readouterr().out
    assert f"Usage: amanah {command}" in out
    assert "Parameters" not in out or "│" in out


def test_up_explains_what_a_stranger_must_know(capsys: pytest.CaptureFixture) -> None:
    run("up", "--help")
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for thing in ("Ctrl-C", "AMANAH_POSTGRES", "AMANAH_KAFKA", "--data", "--port-base", "default: 8100", "no Docker"):
        assert thing in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upp",), 'Unknown command "upp"'),
        (("up", "--prot-base", "1"), "Unknown option: --prot-base"),
        (("up", "--port-base", "many"), 'Invalid value for --port-base: unable to convert "many" into int'),
        (("up", "superfluous"), "superfluous"),
        (("up", "--http.intak", "1"), "There is no service 'intak'"),
    ],
)
def test_a_mistake_is_said_in_one_line_with_code_2(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("amanah: ")
    assert err.count("\n") == 1
    assert words in err


def test_a_pack_that_does_not_exist_names_those_that_do(capsys: pytest.CaptureFixture) -> None:
    assert run("topics", "list", "--pack", "nowhere", "--kafka", "127.0.0.1:9") == 1
    assert capsys.readouterr().err.startswith("amanah: There is no data pack 'nowhere'. Known here: id, nyc311;")


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [(Fault("Nothing goes.", 7), 7, "Nothing goes."), (KeyboardInterrupt(), 130, "Stopped.")],
)
def test_what_a_command_raises_becomes_a_line_and_a_code(
    raised: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail() -> str:
        raise raised

    monkeypatch.setattr(topics, "_running", fail)
    assert run("topics", "list") == code
    assert capsys.readouterr().err == f"amanah: {words}\n"


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    heavy = "faststream aiokafka confluent_kafka psycopg jgo amanah_chassis rich.progress"
    code = f"import sys, amanah.main; print([m for m in {heavy.split()!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_an_interrupted_command_ends_with_the_signals_code_after_its_clean_up() -> None:
    code = """
import asyncio, sys
from amanah import main
from amanah.running import run

async def work():
    try:
        print("working", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)

main.app.command(lambda: run(work()), name="work")
main.main(["work"])
"""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "working\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
        assert (out, err, process.returncode) == ("cleaned up\n", "amanah: Stopped.\n", 128 + number)


def test_a_reader_who_has_seen_enough_gets_no_traceback() -> None:
    code = """
from amanah import main
main.app.command(lambda: print("x" * 99_999, flush=True), name="much")
main.main(["much"])
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1
