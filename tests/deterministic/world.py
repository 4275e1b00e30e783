"""The whole system in one thread: five services, a broker, a clock, and everything that goes wrong, one step after the
other.

What runs is the services' own code: `app.py`'s tables, handlers, domains and SQL, the chassis's consumer, positions,
parking, dead letters, outbox and relay. In memory, or under the hand of the world, are only the edges: Kafka (`broker.py`),
the clock's hands (`postgres.py`), chance (one `Random`), and whoever is outside: citizens, agencies, officers, recipients
of notices.

A step is a name and whole numbers, so a story of steps can be told again word by word: `World.tell`. Steps never run beside
each other; what a scheduler would interleave is drawn by whoever writes the story.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
from tests.deterministic import home
from tests.deterministic.broker import Broker
from tests.deterministic.edges import Crash, Edge
from tests.deterministic.people import People
from tests.deterministic.postgres import SERVICES, Server
from tests.deterministic.process import Process, deliver_notices, poll, settings_of, take_chance_from
from tests.deterministic.trouble import Trouble

from amanah_chassis import logs
from amanah_sla_monitor import ticker
from amanah_sla_monitor.reconciler import watch

_TURN = timedelta(milliseconds=50)
"""What passes with every step, so that instants differ."""
_OWN_TOPICS = ("complaints", "assignments", "cases", "deadlines", "notices")
PARTITIONS = {f"amanah.{name}": 3 for name in _OWN_TOPICS} | {"amanah.ombudsman": 1}
for _code in home.AGENCIES:
    PARTITIONS |= {f"amanah.agency.{_code}": 1, f"amanah.agency.{_code}.replies": 2}

Step = tuple[str, tuple[int, ...]]
Story = list[Step]


class World(People, Trouble):
    """Everything there is, from an empty database on."""

    def __init__(
        self, server: Server, lines: dict[str, list[asyncpg.Connection]], editions: Sequence[Path], folder: Path
    ) -> None:
        self.server = server
        self.lines = lines
        self.editions = editions
        self.pack = folder / "pack"
        self.settings = {name: settings_of(name, server.dsn(name), self.pack, folder) for name in SERVICES}
        self.logs = _Logs()

    # -- telling a story -------------------------------------------------------------------------------------------------

    async def begin(self, seed: int = 0) -> None:
        """Anew, in an empty home under the first edition of its law."""
        self.story: Story = []
        self.chance = Random(seed)
        take_chance_from(self.chance)
        self.now = home.START
        self.broker = Broker(PARTITIONS, self.now)
        self.filed = []
        self.canaries = []
        self.given = []
        self.poison = set()
        self.sent = []
        self.edition = 0
        self.law_unfinished = False
        self.patient = True  # recipients accept whatever comes
        self.logs.lines.clear()
        self.use(0)
        await self.server.empty()
        await self.server.set_clock(self.now)
        self.processes = {name: Process(self, name, Edge()) for name in SERVICES}
        self.clerk = Process(self, "sla_monitor", Edge(), "clerk")
        for process in self.processes.values():
            await process.start(self)

    async def do(self, name: str, *numbers: int) -> None:
        """One step. Raises TimeoutError when it never comes to an end."""
        self.story.append((name, numbers))
        await self.pass_time(_TURN)
        async with asyncio.timeout(60):
            await getattr(self, f"on_{name}")(*numbers)

    async def tell(self, story: Story) -> None:
        for name, numbers in story:
            await self.do(name, *numbers)

    async def pass_time(self, span: timedelta) -> None:
        self.now += span
        self.broker.now = self.now
        await self.server.set_clock(self.now)

    async def at(self, name: str, work: Callable[[Process], Awaitable[Any]]) -> Any:
        """Work of one process; when it dies over it, it is started anew, as a supervisor would."""
        process = self.processes[name]
        try:
            return await work(process)
        except Crash:
            await self.restart(name)
            return None

    async def restart(self, name: str) -> None:
        """A new process of the service: nothing is left of what it had in memory, its bugs apart."""
        edge = self.processes[name].edge
        edge.put_out()
        self.processes[name] = Process(self, name, edge)
        await self.processes[name].start(self)

    # -- rest ------------------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Nothing goes wrong any more, and everything runs until nothing moves: then all promises must hold."""
        for process in self.processes.values():
            process.edge.put_out()
            process.edge.cursed.clear()
        if self.law_unfinished:
            await self.apply_law()
        async with asyncio.timeout(120):
            for wait in (timedelta(), timedelta(seconds=6), timedelta(minutes=11)):
                if wait and not await self._parked():
                    break
                await self.pass_time(wait)
                while await self._turn():
                    pass
            for _ in range(2):  # each look recounts up to where time stood at the one before
                await self.pass_time(_TURN)
                await watch.look(self.processes["sla_monitor"].chassis)
            while await self._turn():
                pass

    async def _turn(self) -> bool:
        """Each at its work once; answers whether anything moved."""
        moved = 0
        for process in self.processes.values():
            moved += await process.send()
            while any(subscription.lag() for subscription in process.subscriptions):
                moved += await poll(process, self.chance, 500)
        monitor = self.processes["sla_monitor"]
        moved += await ticker.tick(monitor.chassis, 500)
        if not moved:
            before = await self._parked()
            for process in self.processes.values():
                moved += await self.replay(process)
                await process.consumer.sweep()
            moved += await deliver_notices(self.processes["notifier"])
            moved += before != await self._parked()
        return bool(moved)

    async def _parked(self) -> int:
        counts = " + ".join(f"(select count(*) from {name}.chassis_parked)" for name in SERVICES)
        [row] = await self.server.rows(f"select {counts}")
        return int(row[0])


class _Logs(logging.Handler):
    """Keeps every line as it would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logs._JsonLines("tests"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@asynccontextmanager
async def opened(server: Server, folder: Path) -> AsyncIterator[World]:
    """A world with its connections, for as many stories as one likes."""
    lines = {name: [await _connected(server.dsn(name)) for _ in range(2)] for name in SERVICES}
    lines["clerk"] = [await _connected(server.dsn("sla_monitor"))]
    world = World(server, lines, home.write(folder / "home"), folder)
    root = logging.getLogger()
    root.addHandler(world.logs)
    root.setLevel(logging.INFO)
    try:
        yield world
    finally:
        root.removeHandler(world.logs)
        for some in lines.values():
            for line in some:
                await line.close()


async def _connected(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
