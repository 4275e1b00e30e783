"""One soak from an empty deployment to its verdict."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from amanah import project
from amanah.embedded import topics
from amanah.embedded.services import module
from amanah.embedded.stack import Options, Stack
from amanah.fault import Fault
from amanah.progress import Progress
from amanah.replay.citizen import History
from amanah.replay.office import Office
from amanah.replay.pipeline import Pipeline
from amanah.replay.session import _groups, fresh
from amanah.soak.chaos import Chaos
from amanah.soak.crowd import Crowd
from amanah.soak.sampler import COMPLAINTS, Sampler, load
from amanah.soak.series import Series
from amanah.soak.verdict import BESIDE, Ruling, ratio, rulings
from amanah.verify.result import Result
from amanah.verify.run import verify_stack

PACK = "nyc311"
HISTORY = "history.jsonl"
DAY = 86_400.0
TERM_SHARE = 6
"""Of the run: so that in its last half every table that is pruned has long had its full size."""
SHORTEST_TERM = 60.0
PATIENCE = 300.0
"""Seconds from the end of the load."""


@dataclass
class Soaked:
    """What came of it."""

    minutes: float
    rate: float
    complaints: int
    tries: int
    """Filings sent, with those that were asked again."""
    slowest: float
    """Seconds that the slowest citizen waited for an answer, whatever was killed meanwhile."""
    term: float
    load: tuple[float, float]
    """The machine's, at the beginning and at the end."""
    disturbances: Mapping[str, int]
    drained: float | None
    """Seconds from the last deadline until nothing was under way; None when something still was after PATIENCE."""
    verified: Result
    rulings: Sequence[Ruling]
    series: Sequence[Series] = field(repr=False, default=())

    @property
    def flat(self) -> bool:
        return not any(ruling.grows for ruling in self.rulings)

    @property
    def passed(self) -> bool:
        return self.flat and self.verified.ok and self.drained is not None

    def as_dict(self) -> dict[str, Any]:
        return {
            "minutes": self.minutes,
            "rate": self.rate,
            "complaints": self.complaints,
            "tries": self.tries,
            "slowest_answer_seconds": round(self.slowest, 3),
            "term_seconds": self.term,
            "load": list(self.load),
            "disturbances": dict(self.disturbances),
            "drained_seconds": self.drained,
            "flat": self.flat,
            "verify": self.verified.as_dict(),
            "rulings": [ruling.as_dict() for ruling in self.rulings],
            "series": [series.as_dict() for series in self.series],
        }


def environment(term: float) -> dict[str, str]:
    """What services are told: terms of seconds in place of 400 days, and notices that do not rest for hours."""
    days = str(term / DAY)
    often = str(max(term / 20, 2.0))
    return {
        "AMANAH_OUTBOX_DAYS": days,
        "AMANAH_DEAD_LETTER_DAYS": days,
        "AMANAH_DELIVERY_DAYS": days,
        "AMANAH_IDEMPOTENCY_DAYS": days,
        "AMANAH_PRUNE_SECONDS": often,
        "AMANAH_IDEMPOTENCY_PRUNE_SECONDS": often,
        "AMANAH_RETRY_SECONDS": "[0,1,1,2,2,4,4,4,8,8,8,8,8,8,8,8]",
        "AMANAH_SEND_TIMEOUT_SECONDS": "4",
        "AMANAH_LEASE_SECONDS": "10",
    }


async def soak(
    minutes: float,
    rate: float,
    seed: int,
    data: Path,
    progress: Progress,
    command: Callable[[str], Sequence[str]] = module,
) -> Soaked:
    """Runs the load for so long on a fresh deployment in `data`, lets everything come to rest, and judges."""
    fresh(data)
    seconds = minutes * 60
    term = max(seconds / TERM_SHARE, SHORTEST_TERM)
    options = Options(newest=True, environment=environment(term), command=command)
    at_first = load()
    async with Stack(data, project.pack(PACK), options, progress) as stack, AsyncExitStack() as closing:
        agencies = topics.agencies(stack.pack)
        groups = _groups(agencies)
        history = History(stack.data / HISTORY)
        closing.callback(history.close)
        office = Office(stack.kafka, agencies, stack.url("routing"), stack.token(), None, history)
        closing.push_async_callback(office.close)
        await office.open()
        crowd = Crowd(rate, seed, agencies, stack.url("intake"), stack.token(), office, history)
        sampler = await closing.enter_async_context(Sampler.open(stack, groups, lambda: crowd.filed))
        chaos = Chaos(stack, seed)
        await _under_load(crowd, chaos, sampler, seconds, progress)
        drained = await _drain(stack, crowd, groups, progress)
        history.note(op="end", at=datetime.now(UTC))
        progress.step("Checking what is left")
        verified = await verify_stack(stack, stack.data / HISTORY)
        found = list(sampler.series.values())
        judged = rulings(comparable(sampler.series), seconds / 2, seconds)
        return Soaked(
            minutes, rate, crowd.filed, crowd.tries, crowd.slowest, term, (at_first, load()), chaos.done, drained,
            verified, judged, found,
        )  # fmt: skip


def comparable(series: Mapping[str, Series]) -> list[Series]:
    """What is judged: of a table that keeps a complaint's rows, how much it has for each."""
    filed = series[COMPLAINTS]
    judged = []
    for one in series.values():
        if one.kind == BESIDE:
            judged.append(ratio(f"{one.name} for each complaint", one.unit, one, filed))
        elif one is not filed:
            judged.append(one)
    return judged


async def _under_load(crowd: Crowd, chaos: Chaos, sampler: Sampler, seconds: float, progress: Progress) -> None:
    loop = asyncio.get_running_loop()
    filing = asyncio.create_task(crowd.run())
    beside = [asyncio.create_task(work) for work in (chaos.run(), sampler.run())]
    try:
        loop.call_later(seconds / 2, chaos.spare_lives)
        for quarter in range(1, 5):
            done, _ = await asyncio.wait([filing, *beside], timeout=seconds / 4, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()  # a sampler that fails, or citizens in vain: no verdict
                await crowd.rest(0)
            progress.step(f"{quarter * 25} % of the soak; {crowd.filed:,} complaints")
    finally:
        crowd.stop()
        for task in beside:
            task.cancel()
        await asyncio.gather(filing, *beside, return_exceptions=True)


async def _drain(stack: Stack, crowd: Crowd, groups: Mapping[str, Sequence[str]], progress: Progress) -> float | None:
    """Until the last complaint has had its answer, the last deadline has passed, and nothing is under way. What still is
    after PATIENCE is left for `verify` to find."""
    progress.step("Waiting until everything is at rest")
    await crowd.rest(PATIENCE)
    await asyncio.sleep(max((crowd.last_due - datetime.now(UTC)).total_seconds(), 0) + 2.0)
    since = monotonic()
    dsns = {name: stack.dsn(name) for name in stack.options.services}
    async with Pipeline.open(dsns, stack.kafka, groups) as pipeline:
        while monotonic() - since < PATIENCE:
            with suppress(Fault):  # its own patience is shorter
                await pipeline.drain()
                await pipeline.delivered()
                await pipeline.drain()
                return round(monotonic() - since, 1)
    return None
