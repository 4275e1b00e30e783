"""`amanah up` as a process of its own, seen from outside: what it prints, what it runs, what it leaves behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from amanah import project

START_LIMIT = 120.0
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9") | {
    "NO_PROXY": "127.0.0.1,localhost"
}
MODULE = (sys.executable, "-m", "amanah.main")


class Up:
    """One run of it. Leave it as a context manager, so that a failing test leaves nothing running."""

    def __init__(
        self,
        data: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = MODULE,
        cwd: Path = project.ROOT,
    ) -> None:
        self.data = data
        self.out: list[str] = []
        self.err: list[str] = []
        self._seen: dict[int, psutil.Process] = {}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AMANAH_")}
        own = {"AMANAH_STATE": str(data.parent / "state")}  # a person's stack in this checkout stays what they mean
        self._process = subprocess.Popen(
            [*command, "up", "--data", str(data), *options],
            cwd=cwd, env=inherited | own | dict(environment or {}), stdin=subprocess.DEVNULL, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        streams = ((self._process.stdout, self.out), (self._process.stderr, self.err))
        self._readers = [threading.Thread(target=_collect, args=stream, daemon=True) for stream in streams]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "Up":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.end(signal.SIGTERM)
        for process in self._ours():
            process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self) -> "Up":
        """Waits for the line that says so."""
        until(
            lambda: any(line.startswith("Ready") for line in self.out) or self._process.poll() is not None, START_LIMIT
        )
        assert self._process.poll() is None, self.err
        self.processes()
        return self

    def says(self, text: str) -> None:
        """Waits for a line with this on stderr."""
        until(lambda: any(text in line for line in self.err), 30)

    def place(self, name: str) -> str:
        """Where something is, by the line that says so."""
        return next(line.split(maxsplit=1)[1].strip() for line in self.out if line.startswith(f"{name} "))

    def command(self, marked: str) -> str:
        """The shell command that was printed and contains `marked`."""
        text = "".join(self.out)
        return next(found for found in re.findall(r"^  (curl.*?[^\\])\n", text, re.M | re.S) if marked in found)

    def processes(self) -> dict[str, psutil.Process]:
        """What it runs now, by the name of the part."""
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.pid).children(recursive=True)
            self._seen |= {process.pid: process for process in below}
            return {_part(process): process for process in below if process.ppid() == self.pid and _part(process)}
        return {}

    def kill(self, part: str) -> int:
        """SIGKILL for a part; returns once another process has its place."""
        until(lambda: part in self.processes())
        process = self.processes()[part]
        process.kill()
        until(lambda: part in self.processes() and self.processes()[part].pid != process.pid)
        return process.pid

    def end(self, by: signal.Signals, limit: float = 60) -> int:
        """Sends a signal and returns the exit code."""
        self.processes()
        self._process.send_signal(by)
        return self.ended(limit)

    def ended(self, limit: float = 60) -> int:
        """Waits for its end and returns the exit code."""
        code = self._process.wait(limit)
        for reader in self._readers:
            reader.join(5)
        return code

    def left(self) -> list[psutil.Process]:
        """What still runs of all that was ever seen below it, or works on its data."""
        return self._ours() + [p for p in psutil.process_iter() if p.pid not in self._seen and _works_on(p, self.data)]

    def _ours(self) -> list[psutil.Process]:
        return [process for process in self._seen.values() if process.is_running() and not _is_dead(process)]


@contextmanager
def folder(name: str = "data") -> Iterator[Path]:
    """A place for data that PostgreSQL's user can reach too, when the tests run as root."""
    above = Path(tempfile.mkdtemp(prefix="amanah-up-"))
    above.chmod(0o711)
    try:
        yield above / name
    finally:
        shutil.rmtree(above)


def until(condition: Callable[[], object], limit: float = 30.0) -> None:
    """Returns once the condition holds; fails the test after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit} s"
        time.sleep(0.05)


def _collect(stream: Iterator[str], lines: list[str]) -> None:
    lines.extend(iter(stream))


def _part(process: psutil.Process) -> str:
    """Name of a part as `up` calls it; empty for what is none, such as a guard that has not yet become one."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    if words[1:2] == ["-m"]:
        return words[2].removeprefix("amanah_")
    program = Path(words[0]).name if words else ""
    return {"java": "kafka", "postgres": "postgres"}.get(program, "")


def _is_dead(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def _works_on(process: psutil.Process, data: Path) -> bool:
    try:
        return str(data) in " ".join((process.cwd(), *process.cmdline())) and not _is_dead(process)
    except psutil.Error:
        return False
