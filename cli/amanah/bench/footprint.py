"""The whole system as `amanah up` starts it: seconds until it is ready, and the memory of everything that then runs.

There is no bare loop for this. `bare` is the goal, and `ratio` what we need of it: below 1 it is met.

Cold: an empty data directory, so PostgreSQL's and Kafka's data, the topics and all tables are made; what the very first
start downloads is there already. Warm: the same data once more. Seconds go from the start of the command to its `Ready`.

Memory is that of the command and of every process under it: both servers, the five services, the receivers of notices.
`rss_mb` counts a page once for each process that has it; `pss_mb` shares it among them: it is what the machine gives.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import asyncpg
import psutil

from amanah.bench.http_load import bodies, connect, request
from amanah.bench.lines import Line, load
from amanah.bench.processes import connected, memory, python, tree
from amanah.embedded import home, topics
from amanah.embedded.home import State
from amanah.fault import Fault
from amanah.progress import Progress

GOAL_SECONDS = 15.0
GOAL_MB = 1024 * 1024 * 1024 / 1e6
CLIENTS = 8
PATIENCE = 300.0
QUIET_SECONDS = 3.0
"""For so long nothing new is said and nothing waits: then all that follows from the complaints has been done."""


@dataclass(frozen=True, slots=True)
class Held:
    """Megabytes of everything, and the resident ones by part."""

    rss_mb: float
    pss_mb: float
    parts: Mapping[str, float]


async def footprint(data: Path, pack: Path, complaints: int, starts: int, progress: Progress) -> AsyncIterator[Line]:
    """A line for the seconds, one for the memory."""
    began_with = load()
    progress.step("A cold start")
    async with _up(data, pack) as (cold, _):
        pass
    warm = []
    for number in range(starts):
        progress.step(f"Warm start {number + 1} of {starts}")
        async with _up(data, pack) as (seconds, pid):
            warm.append(seconds)
            if number == starts - 1:
                await asyncio.sleep(QUIET_SECONDS)
                fresh = _held(pid)
                progress.step(f"Filing {complaints} complaints")
                state = home.read(data / "up")
                await _file(state, topics.agencies(pack), complaints)
                await _until_quiet(state)
                used = _held(pid)
    yield seconds_line(cold, warm, began_with)
    yield memory_line(complaints, fresh, used, began_with)


def seconds_line(cold: float, warm: Sequence[float], began_with: float) -> Line:
    middle = median(warm)
    more = {
        "bare_is": "the goal",
        "cold_seconds": round(cold, 1),
        "starts": len(warm),
        "worst": round(max(warm), 1),
        "best": round(min(warm), 1),
        "load": began_with,
    }
    ratio = round(middle / GOAL_SECONDS, 3)
    return Line("footprint", round(middle, 1), "s", GOAL_SECONDS, ratio, more, about="warm start, beside the goal")


def memory_line(complaints: int, fresh: Held, used: Held, began_with: float) -> Line:
    more = {
        "bare_is": "the goal",
        "complaints": complaints,
        "rss_mb": round(used.rss_mb, 1),
        "pss_mb": round(used.pss_mb, 1),
        "rss_mb_at_start": round(fresh.rss_mb, 1),
        "pss_mb_at_start": round(fresh.pss_mb, 1),
        "pss_mb_by_part": {name: round(size, 1) for name, size in used.parts.items()},
        "load": began_with,
    }
    ratio = round(used.pss_mb / GOAL_MB, 3)
    about = f"memory after {complaints:,} complaints, beside the goal"
    return Line("footprint", round(used.pss_mb, 1), "MB", round(GOAL_MB, 1), ratio, more, about=about)


@asynccontextmanager
async def _up(data: Path, pack: Path) -> AsyncIterator[tuple[float, int]]:
    """`amanah up` with a state of its own; seconds until it is ready, and its process."""
    arguments = python("amanah.main", "up", "--data", data / "up", "--pack", pack)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"AMANAH_STATE": str(data)},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while not (said := await process.stdout.readline()).startswith(b"Ready"):
                if not said:
                    raise Fault(f"amanah up ended before it was ready; its logs are in {data / 'up' / 'logs'}")
        yield time.monotonic() - began, process.pid
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()


def _held(pid: int) -> Held:
    parts: dict[str, float] = {}
    processes = tree(pid)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            name = part_of(process.cmdline(), process.name(), root=process.pid == pid)
            parts[name] = parts.get(name, 0.0) + memory([process])[1]
    return Held(*memory(processes), parts)


def part_of(command: Sequence[str], name: str, *, root: bool) -> str:
    """Which part of the system a process is."""
    if root:
        return "command"
    if name.startswith("postgres"):
        return "postgres"
    if name == "java":
        return "kafka"
    return next((word.removeprefix("amanah_") for word in command if word.startswith("amanah_")), name)


async def _file(state: State, agencies: Sequence[str], complaints: int) -> None:
    numbers, forms = count(), {code: bodies(code) for code in agencies}

    async def client() -> None:
        connection = await connect(state.ports["intake"])
        while (number := next(numbers)) < complaints:
            status, _ = await connection.ask(request(next(forms[agencies[number % len(agencies)]])))
            if status != 201:
                raise AssertionError(f"a filing was answered with {status}")
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def _until_quiet(state: State) -> None:
    """Returns when nothing waits to be sent and nothing new has been said for a while."""
    said, since = -1, time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while time.monotonic() - since < QUIET_SECONDS:
            unsent, now_said = 0, 0
            for service in state.services:
                async with connected(state.dsn(service)) as db:
                    waiting, total = await _outbox(db)
                unsent, now_said = unsent + waiting, now_said + total
            if unsent or now_said != said:
                said, since = now_said, time.monotonic()
            await asyncio.sleep(0.5)


async def _outbox(db: asyncpg.Connection) -> tuple[int, int]:
    [row] = await db.fetch("select count(*) filter (where sent_at is null), count(*) from chassis_outbox")
    return row[0], row[1]
