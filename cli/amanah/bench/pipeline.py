"""Complaints from the committed row to their agencies' topics, with clocks that know their agency: complaints per second.

All rows are committed at one instant in intake's outbox, and from then on three processes work beside each other: intake's
relay, routing, and the monitor. It ends when both have come: the last `complaint.routed` on an agency's topic (by the
broker's own stamp) and the last clock that names its agency. Routing and monitor are the services as they run; of intake
only the relay runs, since its own reading of what the others say is no part of this way.

The bare loop (`pipeline_bare.py`) is three processes too, with the same statements on the same tables, the same records and
topics of its own, by hand and without a promise. While one is measured, the other does not run.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import UUID

import asyncpg
import psutil
from uuid_utils.compat import uuid7

from amanah.bench import arrivals
from amanah.bench.lines import Line, line, load
from amanah.bench.processes import connected, cpu, memory, python, running, until_ready
from amanah.embedded import topics
from amanah.embedded.services import module
from amanah.embedded.stack import Stack
from amanah.progress import Progress
from amanah_chassis.database import migrate
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.vocabulary import Channel

SERVICES = ("routing", "sla_monitor")
STAGES = {"intake": "send", "routing": "route", "sla_monitor": "watch"}
LOOK = 0.1
PATIENCE = 300.0
WARM_UP = 500
"""Complaints that do not count: connections, plans, consumer groups and metadata are there afterwards."""


@dataclass(frozen=True, slots=True)
class Way:
    """One set of processes: its databases by service, and how its topics begin."""

    databases: Mapping[str, str]
    prefix: str


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds from the commit to the last record on an agency's topic and to the last clock; seconds on a core of each
    process and of the servers; the memory of all processes."""

    at_agency: float
    clocks: float
    cpu: Mapping[str, float]
    rss_mb: float

    @property
    def seconds(self) -> float:
        return max(self.at_agency, self.clocks)


async def pipeline(stack: Stack, complaints: int, rounds: int, progress: Progress) -> Line:
    """Complaints per second."""
    began_with = load()
    ours, bare = [], []
    for number in range(rounds):
        progress.step(f"Round {number + 1} of {rounds}: {complaints} complaints through relay, routing and monitor")
        ours.append(await _measure(stack, await _our_way(stack, number), complaints, _services))
        progress.step(f"Round {number + 1} of {rounds}: the bare loop")
        bare.append(await _measure(stack, await _bare_way(stack, number), complaints, _bare))
    return pipeline_line(complaints, ours, bare, began_with)


def pipeline_line(complaints: int, ours: Sequence[Round], bare: Sequence[Round], began_with: float) -> Line:
    return line(
        "pipeline",
        "complaints/s",
        [complaints / one.seconds for one in ours],
        [complaints / one.seconds for one in bare],
        complaints=complaints,
        at_agency_seconds=round(median(one.at_agency for one in ours), 2),
        clocks_seconds=round(median(one.clocks for one in ours), 2),
        bare_at_agency_seconds=round(median(one.at_agency for one in bare), 2),
        bare_clocks_seconds=round(median(one.clocks for one in bare), 2),
        cpu_us=_of_each(complaints, ours),
        bare_cpu_us=_of_each(complaints, bare),
        rss_mb=round(median(one.rss_mb for one in ours), 1),
        load=began_with,
    )


def _of_each(complaints: int, rounds: Sequence[Round]) -> dict[str, int]:
    """Microseconds on a core for each complaint. A busy machine changes this far less than it does seconds."""
    return {name: round(median(one.cpu[name] for one in rounds) / complaints * 1e6) for name in rounds[0].cpu}


# -- the two ways --------------------------------------------------------------------------------------------------------


async def _our_way(stack: Stack, number: int) -> Way:
    return Way(await _databases(stack, f"bench_ours_{number}"), "amanah")


async def _bare_way(stack: Stack, number: int) -> Way:
    prefix = f"bench{number}"
    entries = [topic for topic in topics.of(stack.pack) if not topic.name.endswith(".replies")]
    renamed = [topics.Topic(_renamed(topic.name, prefix), topic.partitions, topic.settings) for topic in entries]
    await stack.create_topics(renamed)
    return Way(await _databases(stack, f"bench_bare_{number}"), prefix)


def _renamed(topic: str, prefix: str) -> str:
    return prefix + topic.removeprefix("amanah")


async def _databases(stack: Stack, name: str) -> dict[str, str]:
    """Databases of this round alone, empty."""
    found = {}
    for service in STAGES:
        found[service] = await stack.create_database(f"{name}_{service}")
        await migrate(found[service], ("amanah_chassis", f"amanah_{service}"))
    return found


Processes = Mapping[str, psutil.Process]
Start = Callable[[Stack, Way], AbstractAsyncContextManager[Processes]]


@asynccontextmanager
async def _services(stack: Stack, way: Way) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as all_of_them:
        found = {}
        for service, database in way.databases.items():
            told = stack.environment(service) | {"AMANAH_DATABASE": database}
            program = module(service) if service in SERVICES else python("amanah.bench.relay_alone")
            found[service] = await all_of_them.enter_async_context(running(stack, service, program, told))
        for service in SERVICES:
            await until_ready(stack, service, stack.ports[service])
        yield found


@asynccontextmanager
async def _bare(stack: Stack, way: Way) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as all_of_them:
        found = {}
        for service, database in way.databases.items():
            told = os.environ | {"AMANAH_DATABASE": database, "AMANAH_KAFKA": stack.kafka}
            program = python("amanah.bench.pipeline_bare", STAGES[service], way.prefix, way.prefix)
            found[service] = await all_of_them.enter_async_context(running(stack, f"bare_{service}", program, told))
        yield found


# -- a round -------------------------------------------------------------------------------------------------------------


async def _measure(stack: Stack, way: Way, complaints: int, start: Start) -> Round:
    codes = topics.agencies(stack.pack)
    async with start(stack, way) as processes, connected(way.databases["sla_monitor"]) as watched:
        await _commit(way, codes, WARM_UP)
        await _until_clocks(watched, WARM_UP)
        reader = await asyncio.to_thread(arrivals.at_the_end, stack.kafka, way.prefix, codes)
        with ExitStack() as opened:
            used = {
                name: opened.enter_context(cpu(some, below=True)) for name, some in _parts(stack, processes).items()
            }
            ids, committed = await _commit(way, codes, complaints)
            await _until_clocks(watched, WARM_UP + complaints)
            clocks = (datetime.now(UTC) - committed).total_seconds()
        last_ms = max((await asyncio.to_thread(arrivals.read, reader, ids)).values())
        resident = memory(processes.values())[0]
    return Round(
        last_ms / 1000 - committed.timestamp(), clocks, {name: one.seconds for name, one in used.items()}, resident
    )


def _parts(stack: Stack, processes: Processes) -> dict[str, list[psutil.Process]]:
    """The three, and the servers where they are ours."""
    parts = {name: [process] for name, process in processes.items()}
    for server in ("postgres", "kafka"):
        with suppress(KeyError):
            parts[server] = [psutil.Process(stack.pid(server))]
    return parts


async def _commit(way: Way, codes: Sequence[str], count: int) -> tuple[set[UUID], datetime]:
    """Complaints as intake stores them, in one transaction; answers them, and the instant after the commit."""
    ids = [uuid7() for _ in range(count)]
    now = datetime.now(UTC)
    forms = [_form(code, now) for code in codes]
    topic = _renamed(ComplaintSubmitted.topic, way.prefix)
    async with connected(way.databases["intake"]) as db:
        async with db.transaction():
            await db.copy_records_to_table(
                "chassis_stream", records=[(c, "", 1) for c in ids], columns=("subject", "audience", "seq")
            )
            await db.copy_records_to_table(
                "chassis_outbox",
                records=[
                    (uuid7(), topic, c, ComplaintSubmitted.type(), 1, str(c).encode().join(forms[n % len(forms)]), now)
                    for n, c in enumerate(ids)
                ],
                columns=("event_id", "topic", "subject", "type", "seq", "value", "created_at"),
            )
            await db.execute("select pg_notify('chassis_outbox', '')")
        return set(ids), datetime.now(UTC)


def _form(agency: str, now: datetime) -> list[bytes]:
    """A complaint's body, before and after its id."""
    nobody = UUID(int=0)
    event = ComplaintSubmitted(
        complaint_id=nobody,
        occurred_at=now,
        received_at=now,
        tracking_code="NYC-7Q4M-2XPD",
        channel=Channel.IMPORT,
        category="Street Light Condition",
        region="BROOKLYN",
        agency_named=agency,
        narrative="The street light before the school has been dark for two weeks.",
        source_ref="bench",
        given_due_at=now + timedelta(days=10),
    )
    return event.view(None).split(str(nobody).encode())


async def _until_clocks(db: asyncpg.Connection, count: int) -> None:
    """Returns when so many clocks name their agency."""
    async with asyncio.timeout(PATIENCE):
        while await db.fetchval("select count(*) from deadline where agency is not null") < count:
            await asyncio.sleep(LOOK)
