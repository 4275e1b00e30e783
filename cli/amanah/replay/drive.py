"""The run: steps the clock from instant to instant, no faster than the pipeline drains.

At an instant the filings go first, then the closings, then, when everything has arrived, what falls due. So a closing at
the very instant of its deadline is in time, virtual lateness is zero, and no breach is ever withdrawn. Where the log says
that nothing falls due unmet, the next instant need not wait for the pipeline: filings and closings carry their own time,
and a clock that wrongly still runs is fired, and found by `amanah verify`, when the pipeline has next drained. With
deadlines that only rules know it waits before each instant, but where the law itself says how long nothing can fall due.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import quantiles

from amanah.embedded.stack import Stack
from amanah.progress import Progress
from amanah.replay.agenda import Instant, kills
from amanah.replay.citizen import Citizen
from amanah.replay.horizon import quiet_from
from amanah.replay.office import Office
from amanah.replay.pipeline import Pipeline
from amanah_sla_monitor.domain.law import Law

AT_ONCE = 16
"""Filings under way at the same time within one instant."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Real time from filing to the agency's topic, in milliseconds."""

    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class Drive:
    """One replay on a running stack."""

    stack: Stack
    citizen: Citizen
    office: Office
    pipeline: Pipeline
    given_only: bool
    """Every deadline of this pack is given by the source, so the log itself names each instant at which one falls due."""
    law: Law | None = None
    """Where the run knows by which rules deadlines are counted."""
    at: datetime | None = None
    """Where the clock stands."""
    quiet_until: datetime | None = None
    """Nothing falls due before this instant. None: that is not known."""

    async def run(self, instants: Sequence[Instant], end: datetime, killed: int, progress: Progress) -> None:
        """Plays the agenda; `killed`: how often each service is killed on the way."""
        schedule = kills(self.stack.options.services, killed, len(instants)) if killed else {}
        with progress.bar("Replaying", len(instants)) as advance:
            for index, instant in enumerate(instants):
                for service in schedule.get(index, ()):
                    self.stack.kill(service)
                await self._fire_before(instant.at)
                await self._play(instant)
                advance(1)
        await self._fire_before(end)
        await self._step(end)
        await self.pipeline.drain()
        await self.pipeline.settle()
        await self.pipeline.drain()
        await self.pipeline.delivered()
        await self.pipeline.drain()

    def pace(self) -> Pace | None:
        """None when nothing reached an agency."""
        sent = self.citizen.filed.sent
        took = sorted((self.office.arrived[c] - sent[c]) * 1000 for c in sent if c in self.office.arrived)
        if len(took) < 2:
            return None
        cuts = quantiles(took, n=100, method="inclusive")
        return Pace(round(cuts[49], 1), round(cuts[98], 1))

    async def _play(self, instant: Instant) -> None:
        await self._step(instant.at)
        for start in range(0, len(instant.filings), AT_ONCE):
            await asyncio.gather(*(self.citizen.file(row) for row in instant.filings[start : start + AT_ONCE]))
        for row in instant.closings:
            if complaint := self.citizen.filed.complaints.get(row.source_id):  # else intake refused the row
                await self.office.resolve(row, complaint)
        if instant.unmet:
            await self.pipeline.drain()
            await self.pipeline.settle()

    async def _step(self, instant: datetime) -> None:
        await self.pipeline.step(instant)
        self.at = instant

    async def _fire_before(self, instant: datetime) -> None:
        """With deadlines that only rules know: visits each instant before `instant` at which one falls due."""
        if self.given_only or (self.quiet_until is not None and instant <= self.quiet_until):
            return
        await self.office.placed(self.citizen.filed.complaints.values())
        await self.pipeline.drain()
        while (due := await self.pipeline.next_fire()) is not None and due < instant:
            await self._step(max(due, self.at or due))  # a rule may set an instant that had passed before it was known
            await self.pipeline.settle()
            await self.pipeline.drain()
        quiet = quiet_from(self.law, instant) if self.law else None  # all that happened before it has arrived
        self.quiet_until = min(quiet, due) if quiet and due else quiet
