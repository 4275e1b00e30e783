"""Through all stretches of complaints, in as many processes as there are cores: what takes long is folding, and one Python
process folds on one core."""

import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import uvloop

from amanah.fault import Fault
from amanah.law import place as places
from amanah.law import processes
from amanah.law.place import Place
from amanah.law.tally import Tally
from amanah_sla_monitor import recalculate
from amanah_sla_monitor.recalculate import Stretch

YIELDING = 5
"""Steps of niceness by which they stand back for monitors and relays on the same machine."""


async def walk(place: Place, stretches: Sequence[Stretch], limit: int, *, for_good: bool) -> Tally:
    """Holds the law against the clocks of these stretches, and for good tells them. Raises Fault."""
    count = min(processes.count(), len(stretches))
    if count <= 1:
        return await _walk(place, stretches, limit, for_good=for_good)
    whole = Tally(limit)
    for tally in await _shared([(place, stretches[n::count], limit, for_good) for n in range(count)]):
        whole.merge(tally)
    return whole


async def _walk(place: Place, stretches: Sequence[Stretch], limit: int, *, for_good: bool) -> Tally:
    tally, law, asker = Tally(limit), places.law(place), multiprocessing.parent_process()
    look = recalculate.move if for_good else recalculate.preview
    async with places.opened(place) as chassis:
        try:
            for stretch in stretches:
                async for looked in look(chassis, law, stretch):
                    tally.add(looked.complaints, looked.decisions)
                if asker is not None and not asker.is_alive():
                    raise Fault("Whoever asked for this is gone.")
        except recalculate.Superseded as superseded:
            raise Fault(f"Stopped: {superseded}.") from None
    return tally


Task = tuple[Place, Sequence[Stretch], int, bool]


async def _shared(tasks: Sequence[Task]) -> list[Tally]:
    """Each task in a process of its own. They end with this one, and all of them when one fails; begun again, the work goes
    on where it was."""
    pipes = [processes.FORKED.Pipe(duplex=False) for _ in tasks]
    hands = [
        processes.FORKED.Process(target=_task, args=(answer, task), daemon=True)
        for (_, answer), task in zip(pipes, tasks, strict=True)
    ]
    try:
        for process in hands:
            process.start()
        for _, answer in pipes:
            answer.close()  # theirs alone, so that a process that ends without a word is noticed
        return await asyncio.gather(*(asyncio.to_thread(_answer, pipe) for pipe, _ in pipes))
    finally:
        for process in hands:
            process.terminate()
            process.join()


def _task(answer: Connection, task: Task) -> None:
    place, stretches, limit, for_good = task
    os.nice(YIELDING)
    with suppress(BrokenPipeError, KeyboardInterrupt):  # whoever asked is gone, or has been told to stop, as we have
        try:
            answer.send(uvloop.run(_walk(place, stretches, limit, for_good=for_good)))
        except Fault as fault:
            answer.send(fault)


def _answer(pipe: Connection) -> Tally:
    try:
        found: Tally | Fault = pipe.recv()
    except EOFError:
        raise Fault("A process that did a part of this has died. Begin again: what is done stays done.") from None
    if isinstance(found, Fault):
        raise found
    return found
