"""A new holiday over very many open clocks: `amanah law apply` from its start to its end, all committed, while the monitor
runs and single deadlines fall due one by one.

The cases are those of the pack of South Kalimantan: filed and routed at some hundreds of instants of the last working days,
to as many agencies, each a first reply by working days and a response by calendar days. The engine itself has written one of
each kind, fact by fact; the others are copies with their own ids. The day decreed free is the next working day, so first
replies but for today's are moved; all other clocks must be looked at and written too, for they keep the version of their
calendar, and warnings avoid days off.

`apply` is a process of its own beside the service, whose relay sends meanwhile to Kafka what `apply` commits, and whose
ticker says the single deadlines: promises of a source in cases all over the same ids, so that batches hold their rows too.
Lateness is counted to the broker's stamp. Afterwards Kafka is read: each clock that the fold moves must have been said once,
and no other.

The bare loop (`recalculate_bare.py`) then runs alone on a copy of the tables. The figure is clocks per second; greater is
better.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg
import psutil

from amanah.bench import open_clocks, recalculate_bare, recalculate_cases, recalculate_law, recalculate_said
from amanah.bench.lateness import Single, lateness
from amanah.bench.lines import Line, load
from amanah.bench.recalculate_figures import Case, Clock, Work, dates, moved, outcome, recalculate_line
from amanah.bench.recalculate_law import Start
from amanah.embedded import children, topics
from amanah.embedded.services import answers, module
from amanah.embedded.stack import Stack
from amanah.fault import Fault
from amanah.progress import Progress
from amanah_chassis.database import migrate
from amanah_sla_monitor import store
from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.pack import load_law

SERVICE = "sla_monitor"
DATABASE = f"amanah_{SERVICE}"
COPY = "bench_recalculate_bare"
KINDS = 400
"""Instants of filing, each with an agency."""
CLOCKS_OF_A_CASE = 2
FOOTPRINT = 8
"""A clock with its case, its copy for the bare loop, its events and what Kafka keeps: so many times a row."""
GAP_MS = 50.0
"""Between one single deadline and the next."""
SECONDS_OF_SINGLES = 20, 180e-6
"""At least, and a clock: for so long they lie ready. Those due after the end do not count."""
SETTING_UP = timedelta(seconds=15)
STARTING = 30.0
PATIENCE = 900.0
LOOK = 0.2
SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Measured:
    """The work itself, the single deadlines that fell due meanwhile, and when all began."""

    work: Work
    began: datetime
    late: Sequence[Single]
    begin: datetime
    """What the instants of `late` are counted from."""


async def recalculate(stack: Stack, clocks: int, progress: Progress) -> Line:
    """Clocks per second, from the start of the process to its end."""
    began_with = load()
    async with _connected(stack.admin_dsn()) as db:
        await open_clocks.require_disk(db, clocks * FOOTPRINT)
    pack = recalculate_law.copied(stack.pack, stack.data / "pack")
    old = load_law(pack)
    await migrate(stack.dsn(SERVICE), ("amanah_chassis", DATABASE))
    kinds = await _kinds(stack, old)
    copies = await _filled(stack, kinds, clocks, progress)
    await _rest(stack, progress)
    told = stack.environment(SERVICE) | {"AMANAH_PACK": str(pack), "AMANAH_RECONCILE_SECONDS": "86400"}
    async with _running(stack, told):
        singles, begin = await _singles(stack, old, copies, clocks)
        recalculate_law.free(pack, recalculate_law.next_working_day(_default(old), begin))
        new = load_law(pack)
        expected = _expected(kinds, copies, new, begin) | await _expected_of_singles(stack, singles, new, begin)
        running = await _count(stack)
        since = await asyncio.to_thread(recalculate_said.ends, stack.kafka)
        progress.step(f"Recalculating {running:,} clocks, {len(expected):,} of which are to be moved")
        measured = await _apply(stack, pack, told, singles, begin)
        progress.step("Waiting for the last of it in Kafka")
        await _until_sent(stack)
        said = await asyncio.to_thread(recalculate_said.read, stack.kafka, since)
    progress.step("The bare loop")
    bare_seconds = await recalculate_bare.run(stack.admin_dsn(COPY), dates(kinds, new, begin))
    async with _connected(stack.admin_dsn()) as db:
        await db.execute(f"drop database {COPY}")
    return recalculate_line(
        running,
        measured.work,
        bare=clocks / bare_seconds,
        said=said,
        expected=expected,
        in_kafka=said.last_ms / 1000 - measured.began.timestamp(),
        late=lateness(measured.late, begin, said.breached),
        load=began_with,
    )


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    db = await asyncpg.connect(dsn)
    try:
        yield db
    finally:
        await db.close()


# -- the tables ----------------------------------------------------------------------------------------------------------


async def _kinds(stack: Stack, law: Law) -> list[Case]:
    """What all others are copies of: two clocks of each run."""
    now, chance = datetime.now(UTC), Random(SEED)  # noqa: S311 - the same agencies and hours in every run
    starts = recalculate_law.starts(KINDS, _default(law), topics.agencies(stack.pack), now, chance)
    async with _connected(stack.dsn(SERVICE)) as db:
        found = await recalculate_cases.templates(db, law, starts, now)
    return [case for case in found if case.running == CLOCKS_OF_A_CASE]


async def _filled(stack: Stack, kinds: Sequence[Case], clocks: int, progress: Progress) -> list[list[UUID]]:
    async with _connected(stack.dsn(SERVICE)) as db:
        originals = [case.complaint_id for case in kinds]
        return await recalculate_cases.copy(db, originals, clocks // CLOCKS_OF_A_CASE, progress)


async def _rest(stack: Stack, progress: Progress) -> None:
    """As tables of a running deployment are, and a copy of them for the bare loop."""
    progress.step("Vacuuming and copying the tables")
    async with _connected(stack.admin_dsn(DATABASE)) as db:
        await open_clocks.rest(db)
    async with _connected(stack.admin_dsn()) as db:
        await db.execute(f"drop database if exists {COPY}")
        await db.execute(f"create database {COPY} template {DATABASE} strategy file_copy", timeout=PATIENCE)
        await db.execute("checkpoint", timeout=PATIENCE)


async def _singles(
    stack: Stack, law: Law, copies: Sequence[Sequence[UUID]], clocks: int
) -> tuple[list[Single], datetime]:
    """Cases all over the ids of the others, whose sources promised an answer by one instant after the other; and when that
    begins."""
    least, each = SECONDS_OF_SINGLES
    count, chance = int(max(least, each * clocks) * 1000 / GAP_MS), Random(SEED)  # noqa: S311
    near = [copy for some in copies for copy in chance.sample(some, min(len(some), 1 + count // len(copies)))]
    begin = datetime.now(UTC) + SETTING_UP
    singles = [Single(UUID(int=case.int + 1), GAP_MS * n, None) for n, case in enumerate(chance.sample(near, count), 1)]
    filed, routed = begin - timedelta(minutes=30), begin - timedelta(minutes=20)
    agencies = topics.agencies(stack.pack)
    known = {
        single.complaint_id: recalculate_law.facts(
            Start(filed, routed, chance.choice(agencies)), begin + timedelta(milliseconds=single.due_ms)
        )
        for single in singles
    }
    async with _connected(stack.dsn(SERVICE)) as db:
        for number in range(2):
            new = {case: facts[number] for case, facts in known.items()}
            await recalculate_cases.receive(db, law, new, datetime.now(UTC))
        await store.wake_tickers(db)
    await _until_sent(stack)
    return singles, begin


def _default(law: Law) -> Calendar:
    return law.calendars.of(None, None)


async def _count(stack: Stack) -> int:
    async with _connected(stack.dsn(SERVICE)) as db:
        found: int = await db.fetchval("select count(*) from deadline where state = 'running'")
        return found


def _expected(kinds: Sequence[Case], copies: Sequence[Sequence[UUID]], law: Law, now: datetime) -> set[Clock]:
    """The clocks that the new law moves, by the fold."""
    return {
        (case, stage)
        for kind, alike in zip(kinds, copies, strict=True)
        for stage in moved(outcome(kind, law, now))
        for case in alike
    }


async def _expected_of_singles(stack: Stack, singles: Sequence[Single], law: Law, now: datetime) -> set[Clock]:
    async with _connected(stack.dsn(SERVICE)) as db:
        cases = await recalculate_cases.read(db, [single.complaint_id for single in singles])
    return {(case.complaint_id, stage) for case in cases for stage in moved(outcome(case, law, now))}


# -- the service and the command -----------------------------------------------------------------------------------------


@asynccontextmanager
async def _running(stack: Stack, told: Mapping[str, str]) -> AsyncIterator[None]:
    process = await children.start(module(SERVICE), stack.log(SERVICE), env=told, cwd=stack.data)
    try:
        async with asyncio.timeout(STARTING):
            while not await answers(stack.ports[SERVICE]):
                await asyncio.sleep(0.05)
        yield
    except TimeoutError:
        raise Fault(f"{SERVICE} does not answer. Its last words: {children.last_words(stack.log(SERVICE))}") from None
    finally:
        await children.stop(process, signal.SIGTERM, patience=10)


async def _apply(
    stack: Stack, pack: Path, told: Mapping[str, str], singles: Sequence[Single], begin: datetime
) -> Measured:
    """Begun when the first single deadline falls due."""
    command = [sys.executable, "-m", "amanah.main", "law", "apply", "--json", "--limit", "0"]
    where = ["--database", stack.dsn(SERVICE), "--pack", str(pack)]
    log = stack.log("apply")
    await asyncio.sleep((begin - datetime.now(UTC)).total_seconds())
    began, clock = datetime.now(UTC), time.monotonic()
    process = await children.start([*command, *where], log, env=told, cwd=stack.data)
    try:
        cpu_seconds, rss_mb = await _watched(process)
        seconds, ended = time.monotonic() - clock, datetime.now(UTC)
    finally:
        await children.stop(process, signal.SIGTERM, patience=10)
    if process.returncode != 0:
        raise Fault(f"amanah law apply ended with {process.returncode}: {children.last_words(log)}")
    answer = log.read_text()
    moved = json.loads(answer[answer.index("{\n") :])["moved"]
    meanwhile = [one for one in singles if began <= begin + timedelta(milliseconds=one.due_ms) <= ended]
    if not meanwhile:
        raise Fault("The machine was too slow to set this up: all single deadlines fell due before the work began.")
    return Measured(Work(seconds, cpu_seconds, moved, rss_mb), began, meanwhile, begin)


async def _watched(process: asyncio.subprocess.Process) -> tuple[float, float]:
    """Waits for its end; seconds of a core that it and its own used, to the last look, and the most megabytes that they
    held."""
    cpu_seconds, rss_mb, watched = 0.0, 0.0, psutil.Process(process.pid)
    ended = asyncio.ensure_future(process.wait())
    while not ended.done():
        with suppress(psutil.NoSuchProcess):
            family = [watched, *watched.children(recursive=True)]
            cpu_seconds = max(cpu_seconds, sum(sum(one.cpu_times()[:2]) for one in family))
            rss_mb = max(rss_mb, sum(one.memory_info().rss for one in family) / 1e6)
        await asyncio.wait([ended], timeout=LOOK)
    return cpu_seconds, rss_mb


async def _until_sent(stack: Stack) -> None:
    async with _connected(stack.dsn(SERVICE)) as db, asyncio.timeout(PATIENCE):
        while await db.fetchval("select exists (select from chassis_outbox where sent_at is null)"):
            await asyncio.sleep(LOOK)
