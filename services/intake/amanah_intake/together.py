"""Work that arrives while earlier work is under way waits for its end, and then goes all together.

A commit costs as much for many as for one: round trips to the database and one wait for the disk. Alone, nobody waits.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from amanah_chassis.errors import TRANSIENT

I = TypeVar("I")  # noqa: E741 - what goes in
O = TypeVar("O")  # noqa: E741 - what comes out

LANES = 2
"""Lots under way at once: while one waits for the disk, another is prepared."""
MOST = 64
"""Items of a lot: so that the first of many does not wait long for the last."""


class Together(Generic[I, O]):
    """Call it with one item. `do` works at a lot and answers for each in order; an exception among its answers is raised to
    that one caller. When `do` itself raises, each of the lot is tried alone, unless the world is at fault, which is raised
    to all."""

    def __init__(self, do: Callable[[Sequence[I]], Awaitable[Sequence[O | Exception]]]) -> None:
        self._do = do
        self._waiting: deque[tuple[I, asyncio.Future[O]]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def __call__(self, item: I) -> O:
        """What became of the item. It is done to its end also when the caller goes away."""
        answer: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._work([(item, answer)]))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        else:
            self._waiting.append((item, answer))
        return await answer

    async def _work(self, lot: list[tuple[I, "asyncio.Future[O]"]]) -> None:
        """One lot after the other, until nobody waits."""
        while lot:
            await self._settle(lot)
            lot = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]

    async def _settle(self, lot: Sequence[tuple[I, "asyncio.Future[O]"]]) -> None:
        try:
            found: Sequence[O | Exception] = await self._do([item for item, _ in lot])
        except Exception as fault:  # noqa: BLE001 - raised to whoever asked
            if len(lot) > 1 and not isinstance(fault, TRANSIENT):
                for one in lot:
                    await self._settle([one])
                return
            found = [fault] * len(lot)
        for (_, answer), result in zip(lot, found, strict=True):
            if answer.done():  # the caller went away
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)
