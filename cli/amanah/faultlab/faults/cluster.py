"""Brokers of three, killed one after the other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from time import time

from amanah.faultlab.brokers import COUNT, Cluster, three
from amanah.faultlab.hands import until
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces
from amanah.progress import Progress

PROMPT_SECONDS = 2.0
DEAD_SECONDS = 8.0
"""After so long the others have noticed, and lead in its place."""


class Rolling:
    """The brokers of a run live from before its stack to after it."""

    def __init__(self) -> None:
        self._clusters: dict[str, Cluster] = {}

    @asynccontextmanager
    async def kafka(self, above: Path, progress: Progress) -> AsyncIterator[str]:
        async with three(above, progress) as cluster:
            self._clusters[cluster.bootstrap] = cluster
            yield cluster.bootstrap

    async def strike(self, lab: Lab) -> Figures:
        """Each broker in turn, once all copies are there again."""
        cluster, start, moved, killed = self._clusters.pop(lab.stack.kafka), time(), 0, []
        await until(cluster.whole, "all copies", 60)
        for number in lab.chance.sample(range(COUNT), COUNT):
            before = await asyncio.to_thread(cluster.leaders)
            part = cluster.parts[number]
            killed.append(part.pid)
            restarts = part.restarts
            os.kill(part.pid, signal.SIGSTOP)  # it must be missed: started again at once, it would be back too soon
            await asyncio.sleep(DEAD_SECONDS)
            after = await asyncio.to_thread(cluster.leaders)
            moved += sum(after.get(place) != leader for place, leader in before.items())
            os.kill(part.pid, signal.SIGKILL)
            await until(lambda part=part, restarts=restarts: _more(part.restarts, restarts), "another broker", 30)  # type: ignore[misc]
            await until(cluster.whole, "all copies", 60)
        return {"killed": killed, "moved": moved, "start": start, "end": time()}


async def _more(now: int, before: int) -> bool:
    return now > before


def _led_by_others(traces: Traces) -> Proof:
    f = traces.figures
    begun = {op.op_id: op for op in traces.history if op.f == "file" and op.type == "invoke"}
    took = [
        (op.mono_ns - begun[op.op_id].mono_ns) / 1e9
        for op in traces.history
        if op.f == "file" and op.type == "ok" and f["start"] < op.wall < f["end"]
    ]
    p99 = quantiles(took, n=100)[98] if len(took) > 1 else 0.0
    words = (
        f"{len(f['killed'])} brokers killed, {f['moved']} times a partition got another leader;"
        f" {len(took)} filings meanwhile, p99 {p99:.2f} s"
    )
    slow = (f"p99 of filings was {p99:.1f} s",) if p99 >= PROMPT_SECONDS else ()
    return Proof(f["moved"] > 0 and len(f["killed"]) == COUNT, words, slow)


_ROLLING = Rolling()
FAULTS = (
    Nemesis(
        id="F6",
        title="three brokers, each killed in turn",
        does="Of three brokers with three copies of all each is frozen until the others lead in its place, then killed.",
        proven_by="partitions that get another leader; p99 of filings must stay below 2 s",
        strike=_ROLLING.strike,
        proof=_led_by_others,
        kafka=_ROLLING.kafka,
    ),
)
