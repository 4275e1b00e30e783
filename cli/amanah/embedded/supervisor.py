"""Keeps a process running until told to stop."""

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress

from amanah.embedded import children
from amanah.fault import Fault

QUICK = 5.0
"""Seconds. Who dies younger than this has probably not yet done any work."""


class Pace:
    """How long to wait before the next start: not at all, until more than three quick deaths in a row say it is hopeless."""

    def __init__(self) -> None:
        self.quick_deaths = 0

    def after(self, lifetime: float) -> float:
        """Seconds to wait after a death at this age."""
        self.quick_deaths = self.quick_deaths + 1 if lifetime < QUICK else 0
        return 0.0 if self.quick_deaths <= 3 else min(15.0, 0.5 * 2.0 ** (self.quick_deaths - 4))


class Supervised:
    """One process, started again whenever it ends. `restarts` counts how often that was."""

    def __init__(
        self,
        name: str,
        launch: Callable[[], Awaitable[Process]],
        stop_signal: signal.Signals,
        patience: float = 10.0,
        died: Callable[[str, int], None] = lambda _name, _code: None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.last_code: int | None = None
        """How it ended last time: its exit code, or the signal that killed it, negative."""
        self._died = died
        self._launch = launch
        self._stop_signal = stop_signal
        self._patience = patience
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pace = Pace()

    @property
    def pid(self) -> int:
        """The process now running, or the last one that did."""
        if self._process is None:
            raise Fault(f"{self.name} was never started.")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs at this moment."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts it; raises what the first start raises. Later starts are tried until they succeed."""
        self._process = await self._launch()
        self._watch = asyncio.create_task(self._keep(self._process), name=f"supervise {self.name}")

    async def _keep(self, process: Process) -> None:
        while True:
            born = time.monotonic()
            self.last_code = await process.wait()
            self.restarts += 1
            self._died(self.name, self.last_code)
            await asyncio.sleep(self._pace.after(time.monotonic() - born))
            process = self._process = await self._relaunch()

    async def _relaunch(self) -> Process:
        while True:
            try:
                return await self._launch()
            except (OSError, Fault):  # such as a full disk: it may be over in a moment, and no one else will try
                await asyncio.sleep(self._pace.after(0))

    async def stop(self) -> None:
        """Stops watching, then the process itself."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._process is not None:
            await children.stop(self._process, self._stop_signal, self._patience)
