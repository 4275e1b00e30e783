"""The lateness of single deadlines while very many other clocks are open: from the due instant to the breach event in Kafka.

Ours is the service as it runs: ticker, the key that lets a breach be said once, outbox, relay, three topics a breach. The
bare loop (`idle_bare.py`) has the same table, claims each row by hand and sends one record. Each is a process of its own,
stopped while the other is measured; before each measurement it fires some deadlines that do not count. The instant of
arrival is the broker's own (LogAppendTime on the owner's topic), and Kafka is read only after a round.

A round's deadlines are some tens of milliseconds apart. Half are stored seconds before, together; the others one by one a
moment before their instants, each with the nudge that handlers give.

Each size has a database of its own, and each round measures all of them, so that sizes are compared within minutes. All are
filled first, then vacuumed, analysed and written out; afterwards autovacuum and checkpoints come as they come. The second
pair of eyes rests: the rows have no case files, and each would be a gap to it.

The figure is the p99 of lateness in ms, the median of the rounds; smaller is better, and so is a smaller `ratio` (ours by
the bare loop's of the same size and round). `flat` is p99 by that of the smallest size in the same round.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import asyncpg
import psutil
from confluent_kafka import Consumer, TopicPartition

from amanah.bench import open_clocks
from amanah.bench.lateness import Held, Round, Single, due_at, idle_line, lateness, singles
from amanah.bench.lines import Line, load
from amanah.bench.processes import connected, cpu, memory, python, running, tree, until_ready
from amanah.embedded import topics
from amanah.embedded.services import module
from amanah.embedded.stack import Stack
from amanah.progress import Progress
from amanah_chassis.database import migrate
from amanah_contracts.sla_monitor import DeadlineBreached

SIZES = (10_000, 1_000_000)
LARGEST = 10_000_000
SERVICE = "sla_monitor"
TOPIC = DeadlineBreached.topic
TYPE = DeadlineBreached.type().encode()
WARM_UP = 40
"""Deadlines that do not count: connections, prepared statements and metadata are there afterwards."""
SETTING_UP = timedelta(seconds=2)
IDLE_SECONDS = 6.0
"""Longer than the longest sleep of anything in the service."""
PATIENCE = 30.0
SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Target:
    """A database with so many open clocks, on this stack's servers."""

    stack: Stack
    clocks: int
    dsn: str
    agencies: Sequence[str]


async def idle(
    stack: Stack, sizes: Sequence[int], deadlines: int, rounds: int, progress: Progress
) -> AsyncIterator[Line]:
    """A line for each size, the smallest first."""
    began_with = load()
    chance = Random(SEED)  # noqa: S311 - the same instants in every run
    await _require_disk(stack, sum(sizes), progress)
    try:
        targets = [await _filled(stack, size, progress) for size in sorted(sizes)]
        await _rest(stack, targets, progress)
        measured: dict[int, list[Round]] = {target.clocks: [] for target in targets}
        for number in range(rounds):
            for target in targets:
                step = f"Round {number + 1} of {rounds}, {target.clocks:,} open clocks"
                progress.step(f"{step}: {deadlines} deadlines")
                ours, held = await _ours(target, deadlines, chance)
                progress.step(f"{step}: the bare loop")
                measured[target.clocks].append(Round(ours, await _bare(target, deadlines, chance), held))
    finally:
        await _drop(stack, sizes)
    loads, smallest = (began_with, load()), measured[targets[0].clocks]
    for target in targets:
        yield idle_line(target.clocks, measured[target.clocks], smallest, loads)


async def _require_disk(stack: Stack, clocks: int, progress: Progress) -> None:
    progress.step(f"{clocks:,} open clocks need {open_clocks.disk_needed(clocks) / 1e9:.1f} GB of disk")
    async with connected(stack.admin_dsn()) as db:
        await open_clocks.require_disk(db, clocks)


async def _filled(stack: Stack, clocks: int, progress: Progress) -> Target:
    target = Target(stack, clocks, await stack.create_database(_name(clocks)), topics.agencies(stack.pack))
    await migrate(target.dsn, ("amanah_chassis", f"amanah_{SERVICE}"))
    async with connected(target.dsn) as db:
        await open_clocks.fill(db, clocks, target.agencies, progress)
    return target


async def _rest(stack: Stack, targets: Sequence[Target], progress: Progress) -> None:
    for target in targets:
        progress.step(f"Vacuuming and analysing {target.clocks:,} clocks")
        async with connected(stack.admin_dsn(_name(target.clocks))) as db:
            await open_clocks.rest(db)


async def _drop(stack: Stack, sizes: Sequence[int]) -> None:
    """Gigabytes need not wait for whoever removes the servers' data, if they are ours at all."""
    async with connected(stack.admin_dsn()) as db:
        for name in map(_name, sizes):
            await db.execute(f"drop database if exists {name} with (force)")
            await db.execute(f"drop role if exists {name}")


def _name(clocks: int) -> str:
    return f"bench_idle_{clocks}"


# -- the two that are measured, each while the other does not run --------------------------------------------------------


async def _ours(target: Target, deadlines: int, chance: Random) -> tuple[list[float], Held]:
    stack = target.stack
    told = stack.environment(SERVICE) | {"AMANAH_DATABASE": target.dsn, "AMANAH_RECONCILE_SECONDS": "86400"}
    async with running(stack, SERVICE, module(SERVICE), told) as process:
        await until_ready(stack, SERVICE, stack.ports[SERVICE])
        await _round(target, WARM_UP, chance)
        with cpu([process]) as idle_use:
            await asyncio.sleep(IDLE_SECONDS)
        with cpu([process]) as busy_use:
            late = await _round(target, deadlines, chance)
        return late, _held(stack, process, idle_use.share, busy_use.share)


async def _bare(target: Target, deadlines: int, chance: Random) -> list[float]:
    told = os.environ | {"AMANAH_DATABASE": target.dsn, "AMANAH_KAFKA": target.stack.kafka}
    async with running(target.stack, "bare", python("amanah.bench.idle_bare"), told):
        await _round(target, WARM_UP, chance)
        return await _round(target, deadlines, chance)


def _held(stack: Stack, process: psutil.Process, idle_share: float, busy_share: float) -> Held:
    rss, pss = memory([process])
    try:
        server = stack.pid("postgres")
    except KeyError:  # a server that is not ours
        return Held(rss, pss, None, None, idle_share, busy_share)
    return Held(rss, pss, *memory(tree(server)), idle_share, busy_share)


# -- a round -------------------------------------------------------------------------------------------------------------


async def _round(target: Target, deadlines: int, chance: Random) -> list[float]:
    """The lateness of each deadline that was stored before it was due."""
    planned = singles(deadlines, chance)
    reader = await asyncio.to_thread(_at_the_end, target.stack.kafka)
    async with connected(target.dsn) as db:
        begin = datetime.now(UTC) + SETTING_UP
        in_time = await _store(db, planned, begin, target.agencies)
    await asyncio.sleep(max(0.0, (due_at(planned[-1], begin) - datetime.now(UTC)).total_seconds()) + 0.5)
    stamps = await asyncio.to_thread(_read, reader, {single.complaint_id for single in in_time})
    return lateness(in_time, begin, stamps)


async def _store(
    db: asyncpg.Connection, planned: Sequence[Single], begin: datetime, agencies: Sequence[str]
) -> list[Single]:
    """Stores the early ones at once and each other at its moment. A late one that the machine did not let us store in time
    says nothing of the ticker and is left out of the answer."""
    in_time = [single for single in planned if single.stored_ms is None]
    await _insert(db, in_time, begin, agencies)
    late = [(single.stored_ms, single) for single in planned if single.stored_ms is not None]
    for stored, single in sorted(late, key=lambda pair: pair[0]):
        await asyncio.sleep((begin + timedelta(milliseconds=stored) - datetime.now(UTC)).total_seconds())
        await _insert(db, [single], begin, agencies)
        if datetime.now(UTC) < due_at(single, begin):
            in_time.append(single)
    return in_time


async def _insert(db: asyncpg.Connection, some: Sequence[Single], begin: datetime, agencies: Sequence[str]) -> None:
    """With the nudge that handlers give."""
    await db.execute(
        """
        with stored as (
            insert into deadline (complaint_id, stage, holder, rule, rule_version, calendar, deadline_version, agency,
                                  state, started_at, due_at, next_fire_at)
            select c, 'response', 0, 'UU25-44-1', '1', 'five-day/1', 1, a, 'running', d - interval '14 days', d, d
            from unnest($1::uuid[], $2::text[], $3::timestamptz[]) u (c, a, d)
        ) select pg_notify('sla_monitor_ticker', '')
        """,
        [single.complaint_id for single in some],
        [agencies[single.complaint_id.int % len(agencies)] for single in some],
        [due_at(single, begin) for single in some],
    )


def _at_the_end(kafka: str) -> Consumer:
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "bench-idle", "enable.auto.commit": False})
    partitions = [TopicPartition(TOPIC, p) for p in reader.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions]
    for partition in partitions:
        partition.offset = reader.get_watermark_offsets(partition, timeout=10)[1]
    reader.assign(partitions)
    reader.pause(partitions)
    return reader


def _read(reader: Consumer, wanted: set[UUID]) -> dict[UUID, int]:
    """The broker's stamp of each breach that is there by now, or comes within some time."""
    reader.resume(reader.assignment())
    stamps: dict[UUID, int] = {}
    began = time.monotonic()
    while not wanted <= stamps.keys() and time.monotonic() - began < PATIENCE:
        for message in reader.consume(1000, timeout=1.0):
            if message.error() is None and dict(message.headers() or ())["ce_type"] == TYPE:
                stamps.setdefault(UUID((message.key() or b"").decode()), message.timestamp()[1])
    reader.close()
    return stamps
