"""The monitor rebuilt from its topics, on an empty database: events per second, from the first commit to the last.

Ours is the service as it runs, started on an empty database before topics that tell the whole lives of many complaints: four
events each, on three topics. It folds and stores each, and its relay sends again what it says of clocks that begin and are
met. The bare loop (`monitor_bare.py`) reads and decodes the same records, writes as many set-based statements for each kind
of event in a batch, and sends what it says to topics of its own; it promises nothing.

`a_core`: events for each second that the process itself was on a core; what PostgreSQL and Kafka used stands beside it.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import asyncpg
import psutil
from confluent_kafka import KafkaError, KafkaException

from amanah.bench import life
from amanah.bench.lines import Line, line, load
from amanah.bench.processes import connected, cpu, memory, python, require_alive, running
from amanah.embedded import topics
from amanah.embedded.services import module
from amanah.embedded.stack import Stack
from amanah.fault import Fault
from amanah.progress import Progress
from amanah_chassis.database import migrate

SERVICE = "sla_monitor"
GROUP = f"amanah.{SERVICE}"
EVENTS_OF_A_COMPLAINT = 4
GROUP_PATIENCE = 60.0
LOOK = 0.1
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Round:
    """Events applied within so many seconds; CPU seconds of the process, of PostgreSQL and of Kafka."""

    events: int
    seconds: float
    cpu: float
    postgres: float
    kafka: float
    rss_mb: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def a_core(self) -> float:
        return self.events / self.cpu


async def rebuild(stack: Stack, complaints: int, rounds: int, progress: Progress) -> Line:
    """Events per second."""
    began_with = load()
    codes = topics.agencies(stack.pack)
    progress.step(f"Putting the lives of {complaints} complaints onto their topics")
    partitions = {topic.partitions for topic in topics.of(stack.pack) if topic.name in life.SOURCES}.pop()
    events = await asyncio.to_thread(life.fill, stack.kafka, codes, complaints, partitions)
    ours, bare = [], []
    for number in range(rounds):
        if number:
            await asyncio.to_thread(_forget, stack.kafka)
        progress.step(f"Round {number + 1} of {rounds}: the monitor reads {events} events")
        ours.append(await _ours(stack, f"bench_ours_{number}", complaints))
        progress.step(f"Round {number + 1} of {rounds}: the bare loop")
        bare.append(await _bare(stack, f"bench{number}", complaints))
    return rebuild_line(complaints, ours, bare, began_with)


def rebuild_line(complaints: int, ours: Sequence[Round], bare: Sequence[Round], began_with: float) -> Line:
    return line(
        "replay",
        "events/s",
        [one.rate for one in ours],
        [one.rate for one in bare],
        events=complaints * EVENTS_OF_A_COMPLAINT,
        a_core=round(median(one.a_core for one in ours)),
        bare_a_core=round(median(one.a_core for one in bare)),
        share=_middle([one.cpu / one.seconds for one in ours]),
        postgres_share=_middle([one.postgres / one.seconds for one in ours]),
        kafka_share=_middle([one.kafka / one.seconds for one in ours]),
        rss_mb=_middle([one.rss_mb for one in ours]),
        load=began_with,
    )


def _middle(values: Sequence[float]) -> float:
    return round(median(values), 2)


async def _ours(stack: Stack, name: str, complaints: int) -> Round:
    database = await _empty(stack, name)
    told = stack.environment(SERVICE) | {"AMANAH_DATABASE": database, "AMANAH_RECONCILE_SECONDS": "86400"}
    async with running(stack, name, module(SERVICE), told) as process:
        return await _until_rebuilt(stack, database, complaints, process, name)


async def _bare(stack: Stack, prefix: str, complaints: int) -> Round:
    database = await _empty(stack, f"{prefix}_bare")
    await stack.create_topics(
        [
            topics.Topic(topic.name.replace("amanah.", f"{prefix}.", 1), topic.partitions, topic.settings)
            for topic in topics.of(stack.pack)
            if topic.name == "amanah.deadlines" or topic.name.startswith("amanah.agency.")
        ]
    )
    told = os.environ | {"AMANAH_DATABASE": database, "AMANAH_KAFKA": stack.kafka}
    async with running(stack, prefix, python("amanah.bench.pipeline_bare", "watch", "amanah", prefix), told) as process:
        return await _until_rebuilt(stack, database, complaints, process, prefix)


async def _empty(stack: Stack, name: str) -> str:
    database = await stack.create_database(name)
    await migrate(database, ("amanah_chassis", f"amanah_{SERVICE}"))
    return database


def _forget(kafka: str) -> None:
    """What the service had read: it is to begin with the first record. Its members are named, and a named member that went
    away belongs to the group until its session is over."""
    admin = topics.admin(kafka)  # held until the answer: let go of, it would take the question along
    until = time.monotonic() + GROUP_PATIENCE
    while True:
        deleted = admin.delete_consumer_groups([GROUP], request_timeout=GROUP_PATIENCE)
        try:
            deleted[GROUP].result(timeout=GROUP_PATIENCE)
            return
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > until:
                raise
        time.sleep(LOOK)


async def _until_rebuilt(stack: Stack, database: str, complaints: int, process: psutil.Process, name: str) -> Round:
    """From the first look that finds something applied to the one that finds all."""
    expected = complaints * EVENTS_OF_A_COMPLAINT
    async with connected(database) as db:
        while not (before := await _applied(db)):
            require_alive(stack, name, process)
            await asyncio.sleep(LOOK / 5)
        began = datetime.now(UTC)
        with ExitStack() as measured:
            used = [measured.enter_context(cpu([part], below=True)) for part in _parts(stack, process)]
            async with asyncio.timeout(PATIENCE):
                while (applied := await _applied(db)) < expected:
                    require_alive(stack, name, process)
                    await asyncio.sleep(LOOK)
            seconds = (datetime.now(UTC) - began).total_seconds()
        met = await db.fetchval("select count(*) from deadline where state = 'met'")
    if applied != expected or met != complaints:
        raise AssertionError(f"{applied} of {expected} events applied, {met} of {complaints} clocks met")
    ours, postgres, kafka = (one.seconds for one in used)
    return Round(expected - before, seconds, ours, postgres, kafka, memory([process])[0])


async def _applied(db: asyncpg.Connection) -> int:
    """How many events: each moved its stream's position by one."""
    return int(await db.fetchval("select coalesce(sum(seq), 0) from chassis_position"))


def _parts(stack: Stack, process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, psutil.Process(stack.pid("postgres")), psutil.Process(stack.pid("kafka"))]
    except KeyError:
        raise Fault("This bench measures servers of its own: unset AMANAH_POSTGRES and AMANAH_KAFKA.") from None
