"""What a running service holds: its pool, clock and relay; and the one way to commit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from amanah_chassis import outbox
from amanah_chassis.batch import Transaction
from amanah_chassis.clock import Clock
from amanah_chassis.database import connection, open_pool
from amanah_chassis.reading import Reading
from amanah_chassis.relay import Relay
from amanah_chassis.settings import ChassisSettings


class Chassis:
    """Engine and wheels of one process; `open()` it as a context."""

    def __init__(self, settings: Any, pool: asyncpg.Pool, clock: Clock, relay: Relay) -> None:
        self.settings = settings
        self.pool = pool
        self.clock = clock
        self.relay = relay
        self.readings: list[Reading] = []
        """One for each group that this process reads for."""

    async def unread_for(self) -> float:
        """For how many seconds, at most, something may have been in Kafka that is not applied here."""
        return max([await reading.unread_for() for reading in self.readings], default=0.0)

    async def stalled_for(self) -> float:
        """For how many seconds one of the groups has neither fetched nor worked."""
        return max([await reading.stalled_for() for reading in self.readings], default=0.0)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: ChassisSettings, name: str) -> AsyncIterator["Chassis"]:
        """A connected chassis; its relay is made but not running."""
        pool = await open_pool(settings.database, settings.pool_size)
        clock = await Clock.open(pool, settings.database)
        relay = Relay(settings.database, settings.kafka, f"amanah.{name}")
        try:
            yield cls(settings, pool, clock, relay)
        finally:
            await clock.close()
            await pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """State and events commit together or not at all; the relay wakes when there is something to send."""
        async with connection(self.pool) as db:
            async with db.transaction():
                reading = await self.clock.read(db)
                tx = Transaction(db, reading.now, reading.settled, reading.real)
                yield tx
                if tx.emitted:
                    await outbox.write(db, tx.emitted, tx.now)
                    if not self.relay.leading:
                        await db.execute("select pg_notify('chassis_outbox', '')")
            if tx.emitted:
                self.relay.wake()
