"""The bare pipeline, three processes: `send` what intake's outbox holds, `route` it, `watch` it (see `monitor_bare.py`).

The same statements on the same tables and the same records to as many topics, by hand. It promises nothing: JSON is parsed
and believed, agencies are taken as named, no rule is asked, no calendar, no batch is ever halved, nothing is parked.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import uvloop

from amanah.bench import bare, monitor_bare
from amanah_chassis import garbage

COLUMNS = (
    "complaint_id",
    "state",
    "agency",
    "assignment",
    "refused_by",
    "reason",
    "category",
    "classification",
    "region",
    "agency_named",
    "visibility",
    "narrative",
    "source_ref",
    "submitted_at",
    "given_due_at",
    "changed_at",
)
REASON = "The source system named this agency as the one responsible."


class Place(NamedTuple):
    """Where a stage reads and writes."""

    database: str
    kafka: str
    reads: str
    """Beginning of the names of topics that are read."""
    writes: str


async def send(place: Place) -> None:
    await bare.send_all(place.database, place.kafka, "amanah.intake", asyncio.Event())


async def route(place: Place) -> None:
    committed = asyncio.Event()
    await asyncio.gather(
        _route(place, committed), bare.send_all(place.database, place.kafka, "amanah.routing", committed)
    )


async def watch(place: Place) -> None:
    committed = asyncio.Event()
    await asyncio.gather(
        monitor_bare.watch(place.database, place.kafka, place.reads, place.writes, committed),
        bare.send_all(place.database, place.kafka, "amanah.sla_monitor", committed),
    )


async def _route(place: Place, committed: asyncio.Event) -> None:
    db = await asyncpg.connect(place.database)
    async for records, reader in bare.batches(place.kafka, [f"{place.reads}.complaints"], f"{place.writes}.routing"):
        bodies = [json.loads(record.value) for record in records]
        async with db.transaction():
            await _assign(db, bodies, place.writes)
        committed.set()
        await reader.commit()


async def _assign(db: asyncpg.Connection, bodies: Sequence[dict[str, Any]], writes: str) -> None:
    subjects = [UUID(body["complaint_id"]) for body in bodies]
    streams = {("amanah.intake", subject): 1 for subject in subjects}
    now = await bare.begin(db, list(streams))
    await db.copy_records_to_table(
        "complaint",
        records=[_row(subject, body, now) for subject, body in zip(subjects, bodies, strict=True)],
        columns=COLUMNS,
    )
    events = [
        event for subject, body in zip(subjects, bodies, strict=True) for event in _routed(subject, body, now, writes)
    ]
    await bare.store(db, events, now)
    await bare.advance(db, streams)


def _row(subject: UUID, body: dict[str, Any], now: datetime) -> tuple[Any, ...]:
    return (
        subject,
        "routed",
        body["agency_named"],
        1,
        [],
        REASON,
        body["category"],
        body.get("classification"),
        body.get("region"),
        body["agency_named"],
        body["visibility"],
        body.get("narrative"),
        body.get("source_ref"),
        datetime.fromisoformat(body["occurred_at"]),
        datetime.fromisoformat(body["given_due_at"]),
        now,
    )


def _routed(subject: UUID, body: dict[str, Any], now: datetime, writes: str) -> list[bare.Outgoing]:
    agency = body["agency_named"]
    said = {
        "complaint_id": body["complaint_id"],
        "occurred_at": now.isoformat(),
        "received_at": now.isoformat(),
        "agency": agency,
        "assignment": 1,
        "rule": "named-by-source",
        "explanation": REASON,
        "decided_by": "system",
        "category": body["category"],
        "region": body.get("region"),
        "visibility": body["visibility"],
        "narrative": body.get("narrative"),
        "source_ref": body.get("source_ref"),
        "submitted_at": body["occurred_at"],
        "given_due_at": body["given_due_at"],
    }
    own = f"{writes}.agency.{agency}"
    return bare.outgoing([(f"{writes}.assignments", ""), (own, own)], subject, "complaint.routed.v1", said)


STAGES = {"send": send, "route": route, "watch": watch}


async def run(stage: str, place: Place) -> None:
    """Until it is killed."""
    garbage.tune()  # as a service does
    await STAGES[stage](place)


if __name__ == "__main__":
    stage, reads, writes = sys.argv[1:]
    uvloop.run(run(stage, Place(os.environ["AMANAH_DATABASE"], os.environ["AMANAH_KAFKA"], reads, writes)))
