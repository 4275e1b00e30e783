"""`amanah check` and `amanah test`: one failing step hides no other, and the exit code tells."""

import signal
import subprocess
import sys

import pytest

from amanah import main
from amanah.commands import check

GOOD, BAD = ([sys.executable, "-c", f"print('step {n}'); raise SystemExit({n})"] for n in (0, 3))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    steps: list[list[str]] = []
    monkeypatch.setattr(check, "_static", lambda: steps)
    monkeypatch.setattr(check, "_pytest", lambda *_: [sys.executable, "-c", "print('1 passed')"])
    return steps


@pytest.mark.parametrize("command", [check.check, check.test])
def test_every_step_is_run_and_one_failure_is_enough(
    command: object, steps: list[list[str]], capfd: pytest.CaptureFixture
) -> None:
    assert callable(command)
    steps += [GOOD]
    assert command() == 0
    steps[:] = [BAD, GOOD]
    assert command() == 1
    out, err = capfd.readouterr()
    assert out.splitlines() == ["step 0", "1 passed", "step 3", "step 0", "1 passed"]
    assert "failed: -c" in err or "failed: print" in err


def test_a_failing_test_fails_it_and_nothing_is_said_after_pytest(
    steps: list[list[str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(check, "_pytest", lambda *_: [sys.executable, "-c", "raise SystemExit('1 failed')"])
    assert check.test() == 1
    assert capfd.readouterr().err.splitlines()[-1] == "1 failed"


def test_the_arguments_reach_pytest(steps: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, ...]] = []
    monkeypatch.setattr(check, "_pytest", lambda *arguments: given.append(arguments) or GOOD)
    for line in ("test", "test tests/unit -k replay", "test -x --no-header"):
        with pytest.raises(SystemExit, match="0"):
            main.main(line.split())
    assert given == [(), ("tests/unit", "-k", "replay"), ("-x", "--no-header")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_stops_the_step_which_may_clean_up(number: signal.Signals) -> None:
    step = """
import time
try:
    print("step", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("cleaned up", flush=True)
    raise SystemExit(0)
"""
    code = f"""
import sys
from amanah import main
from amanah.commands import check
check._static = lambda: []
check._pytest = lambda *_: [sys.executable, "-c", {step!r}]
main.main(["test"])
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "step\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (out, process.returncode) == ("cleaned up\n", 128 + number)
    assert err.endswith("amanah: Stopped.\n")
