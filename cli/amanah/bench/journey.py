"""From a filing to the record on its agency's topic, at a steady rate: milliseconds, p99.

Ours is all five services as they run: the filing over HTTP with its durable commit, the relay, `amanah.complaints`, routing
with its durable commit, its relay, the agency's topic; and beside it the desk, the monitor and the notifier do their part.
The bare loop (`journey_bare.py`) makes the same hops by hand: an endpoint that commits one row and sends one record, and a
reader that commits one row and sends one record. One hop alone, producer to consumer, would leave out both commits and so
would measure Kafka.

It begins when the request is written to the socket and ends at the broker's own stamp. Filings come at random instants
around their turn, so that they do not march in step with anything else.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from statistics import median
from uuid import UUID

import psutil

from amanah.bench import arrivals
from amanah.bench.http_load import Client, bodies, connect, request
from amanah.bench.intake_bare import TABLE
from amanah.bench.journey_bare import COMPLAINTS, ROUTED_TABLE
from amanah.bench.lateness import percentile
from amanah.bench.lines import Line, load
from amanah.bench.processes import connected, free_port, memory, python, running, until_ready
from amanah.embedded import topics
from amanah.embedded.stack import Stack
from amanah.progress import Progress

WARM_UP_SECONDS = 3.0
CONNECTIONS = 16
"""Open from the beginning. A filing does not wait for another one's answer: where all are busy, one more is opened."""
SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Road:
    """Where to file, and how the topics of agencies begin."""

    port: int
    prefix: str
    agencies: Sequence[str]
    kafka: str


async def journey(stack: Stack, rate: float, seconds: float, rounds: int, progress: Progress) -> Line:
    """The line of all rounds."""
    began_with = load()
    chance = Random(SEED)  # noqa: S311 - the same instants in every run
    codes = topics.agencies(stack.pack)
    own = Road(stack.ports["intake"], "amanah", codes, stack.kafka)
    ours, bare = [], []
    async with _bare_road(stack, codes) as other:
        for road in (own, other):
            await _round(road, rate, WARM_UP_SECONDS, chance)
        for number in range(rounds):
            progress.step(f"Round {number + 1} of {rounds}: {rate:g} filings a second for {seconds:g} s")
            ours.append(await _round(own, rate, seconds, chance))
            progress.step(f"Round {number + 1} of {rounds}: the bare loop")
            bare.append(await _round(other, rate, seconds, chance))
    resident = memory([psutil.Process(stack.pid(name)) for name in stack.options.services])[0]
    return journey_line(rate, ours, bare, resident, began_with)


def journey_line(
    rate: float, ours: Sequence[Sequence[float]], bare: Sequence[Sequence[float]], rss_mb: float, began_with: float
) -> Line:
    """p99 of milliseconds, the median of the rounds; smaller is better, and so is a smaller ratio."""
    figure, other = _of_rounds(ours, 0.99), _of_rounds(bare, 0.99)
    ratios = [percentile(mine, 0.99) / percentile(its, 0.99) for mine, its in zip(ours, bare, strict=True)]
    return Line(
        "journey",
        figure,
        "ms",
        other,
        round(median(ratios), 3),
        {
            "rounds": len(ours),
            "rate": rate,
            "filings": sum(map(len, ours)),
            "p50_ms": _of_rounds(ours, 0.5),
            "p99_ms": figure,
            "worst_ms": round(max(max(one) for one in ours), 1),
            "bare_p50_ms": _of_rounds(bare, 0.5),
            "bare_worst_ms": round(max(max(one) for one in bare), 1),
            "rss_mb": round(rss_mb, 1),
            "load": began_with,
        },
        about="p99 from the filing to the agency's topic",
    )


def _of_rounds(rounds: Sequence[Sequence[float]], share: float) -> float:
    return round(median(percentile(one, share) for one in rounds), 1)


@asynccontextmanager
async def _bare_road(stack: Stack, codes: Sequence[str]) -> AsyncIterator[Road]:
    await stack.create_topics(_bare_topics(stack))
    database, port = await stack.create_database("bench_journey"), free_port()
    async with connected(database) as db:
        await db.execute(TABLE)
        await db.execute(ROUTED_TABLE)
    told = os.environ | {
        "AMANAH_DATABASE": database,
        "AMANAH_KAFKA": stack.kafka,
        "AMANAH_HTTP": f"127.0.0.1:{port}",
    }
    async with (
        running(stack, "bare_door", python("amanah.bench.journey_bare", "door"), told),
        running(stack, "bare_desk", python("amanah.bench.journey_bare", "desk"), told),
    ):
        await until_ready(stack, "bare_door", port)
        yield Road(port, "bench", codes, stack.kafka)


def _bare_topics(stack: Stack) -> list[topics.Topic]:
    """The agencies' and the complaints' own, under other names."""
    found = []
    for topic in topics.of(stack.pack):
        name = topic.name.replace("amanah.", "bench.", 1)
        if name == COMPLAINTS or (name.startswith("bench.agency.") and not name.endswith(".replies")):
            found.append(topics.Topic(name, topic.partitions, topic.settings))
    return found


# -- a round -------------------------------------------------------------------------------------------------------------


def instants(rate: float, seconds: float, chance: Random) -> list[float]:
    """Seconds from the beginning: one filing at a random moment of each turn."""
    return [(turn + chance.random()) / rate for turn in range(int(rate * seconds))]


async def _round(road: Road, rate: float, seconds: float, chance: Random) -> list[float]:
    """Milliseconds of each filing."""
    reader = await asyncio.to_thread(arrivals.at_the_end, road.kafka, road.prefix, road.agencies)
    idle = [await connect(road.port) for _ in range(CONNECTIONS)]
    forms = {code: bodies(code) for code in road.agencies}
    began_at: dict[UUID, float] = {}

    async def file(agency: str) -> None:
        while idle and idle[-1].lost:
            idle.pop()
        client = idle.pop() if idle else await connect(road.port)
        message = request(next(forms[agency]))
        started = time.time()
        try:
            complaint = await _filed(client, message)
        except ConnectionError:  # closed by the server at this very moment; the key makes it one filing
            client = await connect(road.port)
            complaint = await _filed(client, message)
        began_at[complaint] = started
        idle.append(client)

    began = time.monotonic()
    tasks = []
    for instant in instants(rate, seconds, chance):
        await asyncio.sleep(began + instant - time.monotonic())
        tasks.append(asyncio.create_task(file(chance.choice(road.agencies))))
    await asyncio.gather(*tasks)
    stamps = await asyncio.to_thread(arrivals.read, reader, set(began_at))
    for client in idle:
        client.close()
    return taken(began_at, stamps)


async def _filed(client: Client, message: bytes) -> UUID:
    status, body = await client.ask(message)
    if status != 201:
        raise AssertionError(f"a filing was answered with {status}: {body[:200]!r}")
    return UUID(json.loads(body)["complaint_id"])


def taken(began_at: Mapping[UUID, float], stamps: Mapping[UUID, int]) -> list[float]:
    """Milliseconds from each beginning to the broker's stamp, which is cut off to whole ones: half of one is added."""
    return [stamps[complaint] + 0.5 - began * 1000 for complaint, began in began_at.items()]
