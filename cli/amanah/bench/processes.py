"""Processes that a bench starts and measures: how long they live, what they use of a core, what memory they hold."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import psutil

from amanah.embedded import children
from amanah.embedded.services import answers
from amanah.embedded.stack import Stack
from amanah.fault import Fault

PATIENCE = 60.0


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs one of our modules."""
    return [sys.executable, "-m", module, *map(str, arguments)]


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    db = await asyncpg.connect(dsn)
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def running(
    stack: Stack, name: str, program: Sequence[str], told: Mapping[str, str]
) -> AsyncIterator[psutil.Process]:
    """A process with its log among the stack's; stopped at the end."""
    process = await children.start(program, stack.log(name), env=told, cwd=stack.data)
    try:
        yield psutil.Process(process.pid)
    finally:
        await children.stop(process, signal.SIGTERM, patience=10)


async def until_ready(stack: Stack, name: str, port: int) -> None:
    """Fault with the last words of a process that does not come up."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await answers(port):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Fault(f"{name} does not answer. Its last words: {children.last_words(stack.log(name))}") from None


def require_alive(stack: Stack, name: str, process: psutil.Process) -> None:
    """Fault with the last words of a process that has ended: nothing that is waited for will come."""
    with suppress(psutil.NoSuchProcess):
        if process.status() != psutil.STATUS_ZOMBIE:
            return
    raise Fault(f"{name} has ended. Its last words: {children.last_words(stack.log(name))}")


async def answer_of(program: Sequence[str]) -> dict[str, Any]:
    """Runs a process to its end; what it printed, one JSON object."""
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise Fault(f"{' '.join(program[1:4])} ended with code {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Used:
    """What some processes used of one core, as a share of the time that passed."""

    share: float = 0.0
    seconds: float = 0.0


@contextmanager
def cpu(processes: Iterable[psutil.Process], *, below: bool = False) -> Iterator[Used]:
    """Filled in at the end. `below`: and those under them, also what starts meanwhile; what ends meanwhile is lost."""
    watched = list(processes)
    used = Used()
    before, began = _cpu_seconds(watched, below), time.monotonic()
    yield used
    after = _cpu_seconds(watched, below)
    used.seconds = sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
    used.share = used.seconds / (time.monotonic() - began)


def _cpu_seconds(processes: Iterable[psutil.Process], below: bool) -> dict[int, float]:
    found: dict[int, float] = {}
    for process in processes:
        for one in tree(process.pid) if below else [process]:
            with suppress(psutil.Error):
                found[one.pid] = sum(one.cpu_times()[:2])
    return found


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def memory(processes: Iterable[psutil.Process]) -> tuple[float, float]:
    """Resident and proportional set size, in megabytes; where the system knows no proportional one, the one of its own."""
    resident = proportional = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found = process.memory_full_info()
            resident += found.rss / 1e6
            proportional += getattr(found, "pss", found.uss) / 1e6
    return resident, proportional
