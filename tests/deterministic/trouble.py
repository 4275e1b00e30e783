"""The services at work, what goes wrong in the midst of it, and time and law, which go on meanwhile."""

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from tests.deterministic.edges import Crash
from tests.deterministic.postgres import SERVICES, Server
from tests.deterministic.process import Process, deliver_notices, poll

from amanah_chassis import dead_letter
from amanah_chassis.errors import ReplayFailed
from amanah_sla_monitor import recalculate, ticker
from amanah_sla_monitor.pack import load_law


class Trouble:
    """What happens to the services. Each `on_…` is a step."""

    now: datetime
    server: Server
    processes: dict[str, Process]
    clerk: Process
    """Who applies a new law."""
    pack: Path
    editions: Sequence[Path]
    edition: int
    law_unfinished: bool
    patient: bool

    async def at(self, name: str, work: Callable[[Process], Awaitable[Any]]) -> Any:
        raise NotImplementedError

    async def restart(self, name: str) -> None:
        raise NotImplementedError

    async def pass_time(self, span: timedelta) -> None:
        raise NotImplementedError

    def complaint(self, which: int) -> UUID | None:
        raise NotImplementedError

    # -- the services at work --------------------------------------------------------------------------------------------

    async def on_relay(self, who: int, lose: int) -> None:
        """The relay wakes. `lose` 1: Kafka takes nothing of its next batch; 2: it takes it, and the answer is lost."""
        process = self.processes[SERVICES[who % len(SERVICES)]]
        process.relay.lose = {1: "before", 2: "after"}.get(lose)
        await self.at(process.name, lambda it: it.send())

    async def on_deliver(self, who: int, dice: int) -> None:
        """One poll: some partitions in any order, of each some records in theirs."""
        await self.at(SERVICES[who % len(SERVICES)], lambda process: poll(process, Random(dice), 6))

    async def on_tick(self, limit: int) -> None:
        most = 1 + limit % 8

        async def work(monitor: Process) -> None:
            while await ticker.tick(monitor.chassis, most) >= most:
                pass

        await self.at("sla_monitor", work)

    async def on_sweep(self, who: int) -> None:
        await self.at(SERVICES[who % len(SERVICES)], lambda process: process.consumer.sweep())

    async def on_notices(self, dice: int) -> None:
        """The delivery worker claims, tries and records."""
        self.patient = dice % 4 != 0
        await self.at("notifier", deliver_notices)
        self.patient = True

    # -- what goes wrong -------------------------------------------------------------------------------------------------

    async def on_kill(self, who: int) -> None:
        """Between two steps of its own."""
        await self.restart(SERVICES[who % len(SERVICES)])

    async def on_fuse(self, who: int, steps: int) -> None:
        """The service will die within its next work: before that statement, at COMMIT, after it, before the offsets, between
        sending and marking; whatever comes to be its n-th step."""
        self.processes[SERVICES[who % len(SERVICES)]].edge.light(steps % 24)

    async def on_rewind(self, who: int) -> None:
        """The group's offsets are set to the beginning: all is delivered again."""
        for subscription in self.processes[SERVICES[who % len(SERVICES)]].subscriptions:
            subscription.rewind()

    async def on_rebalance(self, who: int) -> None:
        """The partitions come back with what was not committed."""
        for subscription in self.processes[SERVICES[who % len(SERVICES)]].subscriptions:
            subscription.begin_anew()

    async def on_curse(self, who: int, which: int) -> None:
        """A bug: every handler of this service fails on this complaint, until it is mended."""
        complaint = self.complaint(which)
        if complaint is not None:
            self.processes[SERVICES[who % len(SERVICES)]].edge.cursed.add(complaint)

    async def on_mend(self) -> None:
        """The bug is mended and the dead letters are replayed."""
        for name in SERVICES:
            self.processes[name].edge.cursed.clear()
            await self.at(name, self.replay)

    async def replay(self, process: Process) -> int:
        """`amanah dlq replay`: answers how many were revived."""
        revived = 0
        async with process.pool.acquire() as db:
            letters = await dead_letter.waiting(db)  # type: ignore[arg-type]
        for letter in letters:
            with suppress(ReplayFailed):
                await process.consumer.replay(letter)
                revived += 1
        return revived

    # -- time and law ----------------------------------------------------------------------------------------------------

    async def on_advance(self, minutes: int) -> None:
        await self.pass_time(timedelta(minutes=minutes))

    async def on_next_deadline(self, off: int) -> None:
        """To the next instant at which a clock wants to be looked at; or a moment or a while before, or a moment after."""
        [row] = await self.server.rows("select min(next_fire_at) from sla_monitor.deadline")
        if row[0] is not None:
            instant = row[0] + timedelta(milliseconds=(0, -1, 1, -20 * 60_000)[off % 4])
            await self.pass_time(max(instant - self.now, timedelta()))

    async def on_law(self, fuse: int) -> None:
        """The next edition comes into force and the clocks that run are told; whoever does it may die over it."""
        if self.law_unfinished or self.edition + 1 < len(self.editions):
            if not self.law_unfinished:
                self.edition += 1
                self.use(self.edition)
            if fuse:
                self.clerk.edge.light(fuse)
            await self.apply_law()

    async def apply_law(self) -> None:
        self.law_unfinished = True
        with suppress(Crash):
            async for _ in recalculate.apply(self.clerk.chassis, load_law(self.pack)):
                pass
            self.law_unfinished = False
        self.clerk.edge.put_out()

    def use(self, edition: int) -> None:
        """A pack is a folder whose files change; here, a link to another folder."""
        half = self.pack.with_name("pack.half")
        half.unlink(missing_ok=True)
        half.symlink_to(self.editions[edition])
        os.replace(half, self.pack)
