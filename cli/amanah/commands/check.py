"""`amanah check` and `amanah test`: everything that a change must pass."""

import os
import subprocess
import sys
import time
from pathlib import Path

from amanah import project
from amanah.fault import Fault


def check() -> int:
    """Style, types, architecture, contracts and the unit tests; seconds, not minutes."""
    return _run([*_static(), _pytest("tests/unit")])


def test(*arguments: str) -> int:
    """Everything: what check does, and all the tests on the embedded stack. Ends with pytest's own summary.

    Parameters
    ----------
    arguments
        Given to pytest in place of all tests, such as tests/e2e -k replay.
    """
    failed = _run(_static())
    return _run([_pytest(*(arguments or ("tests",)))]) or failed


def _static() -> list[list[str]]:
    scripts = Path(sys.executable).parent
    steps = [
        [sys.executable, "-m", "ruff", "check", "--quiet"],
        [sys.executable, "-m", "ruff", "format", "--check", "--quiet"],
        [sys.executable, "-m", "mypy", "--no-error-summary"],
        [str(scripts / "lint-imports"), "--no-cache"],
    ]
    if (project.ROOT / "cli/amanah/commands/contracts.py").exists():
        steps.append([sys.executable, "-m", "amanah.main", "contracts", "check"])
    return steps


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def _run(steps: list[list[str]]) -> int:
    """Runs every step, also after one failed, so that one round shows all there is to mend; 1 if any failed."""
    try:
        import pytest  # noqa: F401
    except ImportError:
        raise Fault("The development tools are missing. Run this as ./amanah check or ./amanah test.") from None
    failed = []
    for step in steps:
        name = " ".join([Path(step[2] if step[0] == sys.executable else step[0]).name, *step[3:]])
        began = time.monotonic()
        print(f"amanah: {name}", file=sys.stderr, flush=True)
        if subprocess.run(step, cwd=project.ROOT, env=os.environ | {"PYTHONPATH": ""}, check=False).returncode:
            failed.append(name)
            print(f"amanah: {name} failed after {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0
