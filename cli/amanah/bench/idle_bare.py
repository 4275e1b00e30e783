"""The bare loop of `bench idle`, a process of its own: sleeps until the earliest instant, claims that row, sends one record.

It promises nothing: one statement and one record, with no key, no outbox, no numbering, no second sender; it stops at the
first error.
"""

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from amanah_chassis import garbage
from amanah_chassis.relay import producer_settings
from amanah_contracts.sla_monitor import DeadlineBreached

_EARLIEST = """
    select complaint_id, stage, holder, next_fire_at from deadline where next_fire_at is not null
    order by next_fire_at limit 1
    """
_CLAIM = """
    update deadline set state = 'breached', next_fire_at = null
    where complaint_id = $1 and stage = $2 and holder = $3 and next_fire_at <= clock_timestamp()
    returning complaint_id, stage, agency, rule, due_at
    """


async def run(database: str, kafka: str) -> None:
    """Until it is killed."""
    wake = asyncio.Event()
    db = await asyncpg.connect(database)
    listener = await asyncpg.connect(database)
    await listener.add_listener("sla_monitor_ticker", lambda *_: wake.set())
    producer = AIOKafkaProducer(**producer_settings(kafka))
    await producer.start()
    garbage.tune()  # as a service does
    while True:
        earliest = await db.fetchrow(_EARLIEST)
        lead = None if earliest is None else (earliest["next_fire_at"] - datetime.now(UTC)).total_seconds()
        if await _woken(wake, lead) or earliest is None:
            continue
        claimed = await db.fetchrow(_CLAIM, *earliest[:3])
        if claimed is not None:
            await _send(producer, dict(claimed))


async def _woken(wake: asyncio.Event, seconds: float | None) -> bool:
    """Whether a nudge came before the time was up."""
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return False
    wake.clear()
    return True


async def _send(producer: AIOKafkaProducer, row: dict[str, Any]) -> None:
    body = json.dumps({name: str(value) for name, value in row.items()}).encode()
    headers = [("ce_type", DeadlineBreached.type().encode()), ("ce_id", str(uuid4()).encode())]
    await producer.send_and_wait(DeadlineBreached.topic, body, key=str(row["complaint_id"]).encode(), headers=headers)


if __name__ == "__main__":
    uvloop.run(run(os.environ["AMANAH_DATABASE"], os.environ["AMANAH_KAFKA"]))
