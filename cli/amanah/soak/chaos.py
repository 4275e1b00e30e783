"""Kills services and freezes them for a while, at random."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
from random import Random

from amanah.embedded.stack import Stack

GAP_SECONDS = (8.0, 30.0)
FROZEN_SECONDS = (1.0, 8.0)


class Chaos:
    """`run()` until cancelled. In its first half a service is killed as often as frozen; after `spare_lives()` nobody is
    killed any more: a process that begins anew has an empty memory, and nothing could be said of how it grows."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack = stack
        self._chance = Random(f"chaos/{seed}")  # noqa: S311 - to be repeated, not to be secret
        self._may_kill = True
        self.done: Counter[str] = Counter()
        """How often each service was killed or frozen, by `killed intake`, `frozen intake` …"""

    def spare_lives(self) -> None:
        self._may_kill = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(*GAP_SECONDS))
            service = self._chance.choice(list(self._stack.options.services))
            if self._may_kill and self._chance.random() < 0.5:
                self._stack.kill(service)
                self.done[f"killed {service}"] += 1
            else:
                await self._freeze(service)
                self.done[f"frozen {service}"] += 1

    async def _freeze(self, service: str) -> None:
        pid = self._stack.pid(service)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(self._chance.uniform(*FROZEN_SECONDS))
            finally:
                os.kill(pid, signal.SIGCONT)
