"""`./amanah replay` and `./amanah verify` as a stranger runs them: a process, its exit code, its files, what it leaves."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from amanah import project

LIMIT = 600.0
LOG = project.ROOT / "data" / "nyc311_2018.csv"


@dataclass(frozen=True)
class Ended:
    """A run that is over. `figures`: what it wrote with --json, empty if it did not come to that."""

    code: int
    out: str
    err: str
    figures: dict[str, Any]


class Command:
    """One run of a command of ours on one data directory; leave it as a context manager."""

    def __init__(self, data: Path, *words: str) -> None:
        self.data = data
        self._json = data.with_name(f"{data.name}-{words[0]}.json")
        self._err = data.with_name(f"{data.name}-{words[0]}.err")
        self._json.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AMANAH_")}
        with self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [project.ROOT / "amanah", *words, "--data", data, "--json", self._json],
                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, text=True,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self.ended()

    def says(self, text: str) -> None:
        """Waits for a line on stderr that holds this."""
        deadline = time.monotonic() + LIMIT
        while text not in self._err.read_text():
            assert self._process.poll() is None, self._err.read_text()
            assert time.monotonic() < deadline, self._err.read_text()
            time.sleep(0.02)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to all processes of the command."""
        os.killpg(self._process.pid, signal.SIGINT)

    def ended(self) -> Ended:
        out, _ = self._process.communicate(timeout=LIMIT)
        figures = json.loads(self._json.read_text()) if self._json.exists() else {}
        return Ended(self._process.returncode, out, self._err.read_text(), figures)

    def left(self) -> list[str]:
        """What still works on the data, by command line."""
        return [" ".join(found.cmdline()) for found in psutil.process_iter() if _works_on(found, self.data)]


def run(data: Path, *words: str) -> Ended:
    with Command(data, *words) as command:
        return command.ended()


def replay(data: Path, log: Path, *options: str) -> Ended:
    return run(data, "replay", str(log), "--pack", "nyc311", *options)


def verify(data: Path) -> Ended:
    return run(data, "verify")


def _works_on(process: psutil.Process, data: Path) -> bool:
    try:
        return str(data) in " ".join([process.cwd(), *process.cmdline()]) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
