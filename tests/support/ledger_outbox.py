"""The smallest service as one that speaks: what it emits, and its relay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from tests.support.ledger_service import DAY, Ledger, noted_on, until

from amanah_chassis.chassis import Chassis


async def emit(ledger: Ledger, subject: UUID, *labels: str, at: datetime = DAY) -> None:
    """One event a label, in one transaction; `at`: when it was received."""
    event = noted_on(ledger.topic)
    async with ledger.chassis.transaction() as tx:
        for label in labels:
            tx.emit(event(complaint_id=subject, occurred_at=DAY, received_at=at, label=label))


@asynccontextmanager
async def relaying(*services: Chassis) -> AsyncIterator[None]:
    """Their relays at work."""
    tasks = [asyncio.create_task(service.relay.run()) for service in services]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        async with asyncio.timeout(15):
            await asyncio.gather(*tasks, return_exceptions=True)


async def all_sent(ledger: Ledger) -> bool:
    return (await ledger.rows("select count(*) from chassis_outbox where sent_at is null"))[0][0] == 0


async def sent(ledger: Ledger) -> None:
    """Returns when Kafka has everything."""
    async with relaying(ledger.chassis):
        await until(lambda: all_sent(ledger))
