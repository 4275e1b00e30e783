"""A stack's data directory: who holds it, and what other commands can learn from it."""

import fcntl
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from amanah import project
from amanah.embedded import databases
from amanah.embedded.secrets import Secrets
from amanah.embedded.services import told
from amanah.fault import Fault

LEAST_FREE = 512 * 2**20


@dataclass(frozen=True)
class State:
    """What a stack tells of itself in `stack.json` (0600: it holds the superuser's DSN)."""

    data: str
    pack: str
    pid: int
    kafka: str
    postgres: str
    ports: dict[str, int]
    services: list[str]
    told: dict[str, str] = field(default_factory=dict)
    """What every service is told beside what is its own."""

    def dsn(self, service: str) -> str:
        """A service's own database, as its own role."""
        role = f"amanah_{service}"
        return databases.for_role(self.postgres, role, role, Secrets(Path(self.data) / "secrets").password(role))

    def url(self, service: str) -> str:
        """Base URL of a service's HTTP side."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def environment(self, service: str) -> dict[str, str]:
        """What a service is told by its environment."""
        return told(
            service,
            kafka=self.kafka,
            database=self.dsn(service),
            pack=Path(self.pack),
            http=self.ports,
            secrets=Secrets(Path(self.data) / "secrets"),
            extra=self.told,
        )


class Home:
    """Holds the directory for one stack at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def take(self) -> None:
        """Makes and locks the directory; Fault if we may not, another stack has it or the disk is nearly full."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as failure:
            raise Fault(f"No data can be kept in {self.path}: {failure.strerror}. Give another --data.") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._lock, 20).decode().strip()
            self.release()
            raise Fault(
                f"A stack already runs on {self.path} (process {holder or 'unknown'}). Stop it, or give another --data."
            ) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        if (left := shutil.disk_usage(self.path).free) < LEAST_FREE:
            raise Fault(
                f"The disk of {self.path} is nearly full: {left // 2**20} MB are left, {LEAST_FREE // 2**20} needed. "
                "Make room, or give a --data elsewhere."
            )

    def release(self) -> None:
        """Lets another stack have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def write(self, state: State, newest: bool = False) -> None:
        """Tells other commands what runs here; `newest`: and that they mean it when they are given no --data."""
        _replace(self.path / "stack.json", json.dumps(asdict(state), indent=2) + "\n")
        if not newest:
            return
        with suppress(OSError):  # a checkout that is not ours to write to: other commands then need --data
            project.STATE.mkdir(parents=True, exist_ok=True)
            _replace(project.STATE / "latest", f"{self.path}\n")

    def earlier_ports(self) -> dict[str, int]:
        """What the last stack here listened on."""
        return dict(_told_before(self.path, "ports") or {})


def earlier_pack(data: Path) -> str | None:
    """The folder of the pack that the last stack in `data` ran with; None of new data."""
    pack: str | None = _told_before(data, "pack")
    return pack


def _told_before(data: Path, what: str) -> Any:
    """Of what the last stack told of itself; None where there was none, or it cannot be read."""
    try:
        return json.loads((data / "stack.json").read_text())[what]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(data: Path | None = None) -> State:
    """The state of the stack in `data`, or of the one started last."""
    if data is None:
        try:
            data = Path((project.STATE / "latest").read_text().strip())
        except OSError:
            raise Fault(
                "No stack was ever started here. Start one with ./amanah up, or name one with --data."
            ) from None
    try:
        return State(**json.loads((data / "stack.json").read_text()))
    except (OSError, ValueError, TypeError):
        raise Fault(f"There is no stack in {data}. Start one with ./amanah up --data {data}") from None


def runs(state: State) -> bool:
    """Whether a stack holds this directory now."""
    try:
        lock = os.open(Path(state.data) / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _replace(path: Path, text: str) -> None:
    half = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    half.replace(path)
