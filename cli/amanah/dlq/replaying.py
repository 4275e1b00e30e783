"""Gives dead letters to the handlers of their own service again, in this process, while the service goes on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import asyncpg

from amanah.dlq.letters import Letter, reachable, shown
from amanah.dlq.targets import Target
from amanah.fault import Fault
from amanah_chassis import dead_letter
from amanah_chassis.applying import Committed
from amanah_chassis.chassis import Chassis
from amanah_chassis.consumer import Consumer
from amanah_chassis.database import connection
from amanah_chassis.errors import Misconfigured, ReplayFailed
from amanah_chassis.service import Service

PATIENCE = 60.0
"""Seconds that one letter may take, busy or absent database included."""


@dataclass(frozen=True)
class Outcome:
    """What became of one letter."""

    letter: Letter
    replayed: bool
    what: str


async def replay(target: Target, ids: Sequence[int] | None) -> list[Outcome]:
    """Replays the letters of these ids, or all, in the order in which they died: an event that comes too early is set aside
    by its position, so no order of replay can break the order of a stream. Fault when an id is not there to be replayed."""
    service: Service[Any] = import_module(f"amanah_{target.service}.app").SERVICE
    with target.told():
        try:
            async with reachable(target), Chassis.open(service.settings.load(), service.name) as chassis:
                async with connection(chassis.pool) as db:
                    letters = await dead_letter.waiting(db, None if ids is None else list(ids))
                _all_there(target, ids, letters)
                if not letters:
                    return []
                context = await service.make_context(chassis)
                consumer = Consumer(chassis, context, service.registry, service.handlers())
                return [await _one(consumer, target.service, letter) for letter in letters]
        except Misconfigured as wrong:
            raise Fault(f"{target.service}: {wrong}") from None


def _all_there(target: Target, ids: Sequence[int] | None, letters: Sequence[asyncpg.Record]) -> None:
    if missing := sorted(set(ids or ()) - {letter["id"] for letter in letters}):
        raise Fault(
            f"{target.service} has no dead letter {', '.join(map(str, missing))} that waits. See: amanah dlq list"
        )


async def _one(consumer: Consumer, service: str, row: asyncpg.Record) -> Outcome:
    letter = shown(service, row)
    try:
        async with asyncio.timeout(PATIENCE):
            return Outcome(letter, True, _said(await consumer.replay(row)))
    except ReplayFailed as failed:
        return Outcome(letter, False, str(failed))
    except TimeoutError:
        return Outcome(letter, False, f"the database did not let it through within {PATIENCE:.0f} s")


def _said(done: Committed) -> str:
    if done.set_aside:
        [(_, waiting_for)] = done.set_aside
        what = "those before it" if waiting_for == "gap" else waiting_for
        return f"set aside until its turn: it waits for {what}"
    if done.applied:
        return "applied"
    return "had been applied already" if done.duplicates else "nothing was left to do"
