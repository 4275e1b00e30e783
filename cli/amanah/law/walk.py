"""Through all stretches of complaints, in as many processes as there are cores: what takes long is folding, and one Python
process folds on one core."""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import uvloop

from amanah.fault import Fault
from amanah.law import place as places
from amanah.law.place import Place
from amanah.law.tally import Tally
from amanah_sla_monitor import recalculate
from amanah_sla_monitor.recalculate import Stretch

YIELDING = 5
"""Steps of niceness by which they stand back for monitors and relays on the same machine."""
MOST = 4
"""Processes, each with two connections: more would crowd out the monitors."""
START = "fork" if sys.platform == "linux" else "spawn"
"""A fork has all modules at hand, which saves each process half a second; elsewhere than on Linux it is not safe."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done with the law of a place: held against the clocks, or, for good, told to them."""

    place: Place
    limit: int
    """Of moves that are named one by one."""
    for_good: bool


@dataclass(frozen=True, slots=True)
class Crew:
    """Processes that wait for their shares."""

    look: Look
    members: list[tuple[BaseProcess, Connection]] = field(default_factory=list)

    async def walk(self, stretches: Sequence[Stretch]) -> Tally:
        """Through these stretches; what is too little to be shared is done here. Raises Fault; begun again, the work goes on
        where it was."""
        if min(len(self.members), len(stretches)) <= 1:
            return await _walk(self.look, stretches)
        whole, pipes = Tally(self.look.limit), [pipe for _, pipe in self.members]
        try:
            for number, pipe in enumerate(pipes):
                pipe.send(stretches[number :: len(pipes)])
            for tally in await asyncio.gather(*(asyncio.to_thread(_answer, pipe) for pipe in pipes)):
                whole.merge(tally)
        finally:
            self.dismiss()  # all of them when one fails; and nobody must go on waiting for an answer
        return whole

    def hire(self) -> None:
        """One more. The copy that it has of us must hold no loop, no thread and no connection."""
        context = multiprocessing.get_context(START)
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(ours, theirs, self.look), daemon=True)  # type: ignore[attr-defined]
        process.start()
        theirs.close()  # theirs alone, so that a process that ends without a word is noticed
        self.members.append((process, ours))

    def dismiss(self) -> None:
        for process, _ in self.members:
            process.terminate()
            process.join()


@contextmanager
def crew(look: Look) -> Iterator[Crew]:
    """As many as there are cores; they end with this. Begin it first of all: see `hire`."""
    hands, count = Crew(look), min(MOST, os.cpu_count() or 1)
    try:
        while 1 < count > len(hands.members):
            hands.hire()
        yield hands
    finally:
        hands.dismiss()


def _work(ours: Connection, theirs: Connection, look: Look) -> None:
    """One process: takes its share, and answers with what came of it."""
    ours.close()  # a copy, which would hide that whoever asked is gone
    os.nice(YIELDING)
    with suppress(
        EOFError, BrokenPipeError, KeyboardInterrupt
    ):  # whoever asked is gone, or has been told to stop, as we have
        stretches = theirs.recv()
        try:
            theirs.send(uvloop.run(_walk(look, stretches)))
        except Fault as fault:
            theirs.send(fault)


async def _walk(look: Look, stretches: Sequence[Stretch]) -> Tally:
    tally, law, parent = Tally(look.limit), places.law(look.place), os.getppid()
    through = recalculate.move if look.for_good else recalculate.preview
    async with places.opened(look.place) as chassis:
        try:
            for stretch in stretches:
                async for looked in through(chassis, law, stretch):
                    tally.add(looked.complaints, looked.decisions)
                if os.getppid() != parent:
                    raise Fault("Whoever asked for this is gone.")
        except recalculate.Superseded as superseded:
            raise Fault(f"Stopped: {superseded}.") from None
    return tally


def _answer(pipe: Connection) -> Tally:
    try:
        found: Tally | Fault = pipe.recv()
    except EOFError:
        raise Fault("A process that did a part of this has died. Begin again: what is done stays done.") from None
    if isinstance(found, Fault):
        raise found
    return found
