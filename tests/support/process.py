"""A service as it runs in a deployment: a process of its own, told everything by its environment; it may be killed."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psycopg

from amanah.embedded.secrets import Secrets
from amanah.embedded.services import module, told

PATIENCE = 90.0
"""Seconds that a test waits for anything before it fails."""


_given: set[int] = set()


def free_port() -> int:
    """One that nobody listens on, of those that no outgoing connection takes by itself before we come to it."""
    while True:
        port = random.randrange(12_000, 20_000)
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port


class ServiceProcess:
    """`start()`, `kill()`, `stop()` as often as a test likes; it always comes back under the same name and address.

    One instance name is used by default, so that a restart takes its partitions back without waiting for a session to end.
    """

    def __init__(
        self,
        name: str,
        *,
        kafka: str,
        database: str,
        pack: Path,
        home: Path,
        instance: str = "0",
        http: Mapping[str, int] | None = None,
        **environment: str,
    ) -> None:
        self.name = name
        self.database = database
        self.log = home / f"{name}-{instance}.log"
        self.secrets = Secrets(home / "secrets")
        self._ports = {name: free_port(), **(http or {})}
        self._environment = told(
            name,
            kafka=kafka,
            database=database,
            pack=pack,
            http=self._ports,
            secrets=self.secrets,
            extra={"AMANAH_INSTANCE": instance, **environment},
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._ports[self.name]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def migrate(self) -> None:
        subprocess.run([*module(self.name), "migrate"], env=self._environment, check=True, capture_output=True)

    def start(self) -> None:
        """Starts it and returns when it says that it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(module(self.name), env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self._ready():
            assert self._process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)

    def run_to_its_end(self) -> tuple[int, str]:
        """For a process that ought to refuse: exit code and what it said."""
        done = subprocess.run(
            module(self.name), env=self._environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        return done.returncode, done.stdout + done.stderr

    def kill(self) -> None:
        """SIGKILL: no clean-up whatever."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if nothing had happened."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM; returns when it has ended."""
        self._end(signal.SIGTERM)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait(PATIENCE)

    def get(self, path: str) -> str:
        with urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def _ready(self) -> bool:
        try:
            self.get("/readyz")
        except (URLError, OSError):
            return False
        return True

    def sql(self, statement: str, *values: Any) -> list[Any]:
        return sql(self.database, statement, *values)


def sql(dsn: str, statement: str, *values: Any) -> list[Any]:
    """The rows of one statement, committed; nothing for one that answers none."""
    with psycopg.connect(dsn, autocommit=True) as db:
        cursor = db.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


class VirtualClock:
    """The hand on the clock of one service's database."""

    def __init__(self, service: ServiceProcess, start: datetime) -> None:
        self._dsn = service.database
        service.migrate()
        sql(self._dsn, "select chassis_clock_virtual(%s)", start)

    def now(self) -> datetime:
        [(instant,)] = sql(self._dsn, "select chassis_now()")
        return instant  # type: ignore[no-any-return]

    def step(self, to: datetime) -> None:
        """Moves the hand; nothing falls due by that alone."""
        sql(self._dsn, "select chassis_clock_step(clock_timestamp(), %s)", to)

    def settle(self) -> None:
        """Every fact up to now has arrived: what is due may fall."""
        sql(self._dsn, "select chassis_clock_settle()")
