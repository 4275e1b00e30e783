"""`amanah check` and `amanah test`: everything that a change must pass."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from amanah import project
from amanah.fault import Fault


def check() -> int:
    """Style, types, architecture, contracts and the unit tests; seconds, not minutes."""
    failed = _failed([*_static(), _pytest("tests/unit")])
    print(f"amanah: failed: {', '.join(failed)}" if failed else "amanah: all good", file=sys.stderr)
    return 1 if failed else 0


def test(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Everything: what check does, and all the tests on the embedded stack. Ends with pytest's own summary.

    Parameters
    ----------
    arguments
        Given to pytest, such as tests/e2e -k replay; without a path all tests are run.
    """
    failed = _failed(_static())
    if failed:  # said before pytest, whose summary is to be the last line
        print(f"amanah: failed: {', '.join(failed)}; the tests follow", file=sys.stderr, flush=True)
    return 1 if _failed([_pytest(*arguments)]) or failed else 0


def _static() -> list[list[str]]:
    lint_imports = str(Path(sys.executable).with_name("lint-imports"))
    return [
        [sys.executable, "-m", "ruff", "check", "--quiet"],
        [sys.executable, "-m", "ruff", "format", "--check", "--quiet"],
        [sys.executable, "-m", "mypy", "--no-error-summary"],
        [lint_imports, "--no-cache"],
        [sys.executable, "-m", "amanah.main", "contracts", "check"],
    ]


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def _failed(steps: list[list[str]]) -> list[str]:
    """Runs every step, also after one failed, so that one round shows all there is to mend; names those that failed."""
    try:
        import pytest  # noqa: F401
    except ImportError:
        raise Fault("The development tools are missing. Run this as ./amanah check or ./amanah test.") from None
    failed = []
    for step in steps:
        name = " ".join([Path(step[2] if step[0] == sys.executable else step[0]).name, *step[3:]])
        print(f"amanah: {name}", file=sys.stderr, flush=True)
        if _code(step):
            failed.append(name)
    return failed


def _code(step: list[str]) -> int:
    """Runs one step. Whether we alone or the whole terminal is told to stop: the step hears it once, may tear down what it
    built (a stack, for pytest), and nothing runs on after us."""
    caught: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _: object) -> None:
        caught.append(number)
        for process in started:
            process.send_signal(signal.SIGINT)

    # Before the step begins: what was ignored here, as in a job sent to the background, it would ignore as well.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    # Each step finds our packages where they are installed, not by the path of whoever called.
    environment = os.environ | {"PYTHONPATH": ""}
    try:
        with subprocess.Popen(step, cwd=project.ROOT, env=environment, start_new_session=True) as process:
            started.append(process)
            if caught:
                process.send_signal(signal.SIGINT)
            code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        raise Fault("Stopped.", 128 + caught[0])
    return code
