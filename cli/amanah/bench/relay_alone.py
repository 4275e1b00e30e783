"""Intake's relay without the rest of intake, a process of its own: what `bench pipeline` begins with."""

import asyncio

import uvloop

from amanah_chassis import garbage
from amanah_chassis.chassis import Chassis
from amanah_chassis.settings import ChassisSettings


async def run(settings: ChassisSettings) -> None:
    """Until it is killed."""
    async with Chassis.open(settings, "intake") as chassis:
        garbage.tune()
        await asyncio.gather(chassis.relay.run())


if __name__ == "__main__":
    uvloop.run(run(ChassisSettings.load()))
