"""Gives a dead letter up that can never be handled, so that what waits behind it goes on."""

from importlib import import_module

import asyncpg

from amanah.dlq.letters import Letter, reachable, shown
from amanah.dlq.targets import Target
from amanah.fault import Fault
from amanah_chassis import dead_letter
from amanah_chassis.errors import OutOfTurn
from amanah_chassis.service import Service


async def drop(target: Target, letter_id: int, why: str) -> tuple[Letter, bool]:
    """The letter, and whether its stream moved past it. Fault when it does not wait, or others before it are missing."""
    service: Service[object] = import_module(f"amanah_{target.service}.app").SERVICE
    async with reachable(target):
        db = await asyncpg.connect(target.database, timeout=10)
        try:
            async with db.transaction():
                rows = await dead_letter.waiting(db, [letter_id])
                if not rows:
                    raise Fault(f"{target.service} has no dead letter {letter_id} that waits. See: amanah dlq list")
                moved = await dead_letter.give_up(db, rows[0], why, service.topics())
                return shown(target.service, rows[0]), moved
        except OutOfTurn as early:
            raise Fault(f"{target.service} {letter_id} cannot be given up yet: {early}.") from None
        finally:
            await db.close()
