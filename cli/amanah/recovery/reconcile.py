"""A service's database that was restored to an earlier time, held against what Kafka has of it, and what can be mended."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from uuid import UUID

import asyncpg

from amanah.contracts import topics as contracts
from amanah.embedded import topics
from amanah.progress import Progress
from amanah.recovery import published, readers
from amanah.recovery.places import Place, alone, opened, own_topic
from amanah.verify.records import NOT_AN_EVENT
from amanah_chassis import positions, resend, restored
from amanah_chassis.positions import Stream
from amanah_chassis.resend import Differing
from amanah_chassis.restored import Event, Reused

CHUNK = 10_000


@dataclass(frozen=True)
class Unread:
    """What a service will not be given again, as its readers stand beyond it, and has not applied."""

    source: str
    subject: UUID
    applied: int
    written: int


@dataclass
class Found:
    """Every difference."""

    service: str
    lacking: list[Event] = field(default_factory=list)
    """Kafka has them, the outbox has not."""
    behind: int = 0
    """Streams that would give out a number again."""
    reused: list[Reused] = field(default_factory=list)
    """Numbers given out twice. That has happened, and nothing can mend it."""
    unread: list[Unread] = field(default_factory=list)
    differing: list[Differing] = field(default_factory=list)
    """The outbox calls them sent, and Kafka has them not or otherwise."""
    unexplained: list[Event] = field(default_factory=list)
    """Put back earlier, and not said again by the service."""
    put_back: int = 0
    moved: int = 0

    @property
    def mendable(self) -> bool:
        return bool(self.lacking or self.behind or self.unread)

    @property
    def agrees(self) -> bool:
        return not (self.mendable or self.reused or self.differing or self.unexplained)

    def as_dict(self, limit: int) -> dict[str, Any]:
        """The object of `--json`: counts of all, and the first of each kind."""
        return {
            "service": self.service,
            "lacking": dict(sorted(Counter(event.topic for event in self.lacking).items())),
            "streams_behind": self.behind,
            "numbers_reused": len(self.reused),
            "unread": {"streams": len(self.unread), "events": sum(one.written - one.applied for one in self.unread)},
            "differing": [one._asdict() for one in self.differing],
            "unexplained": dict(sorted(Counter(event.type for event in self.unexplained).items())),
            "put_back": self.put_back,
            "partitions_read_again": self.moved,
            "first": {
                "lacking": [_shown(event) for event in self.lacking[:limit]],
                "reused": [_shown(one) for one in self.reused[:limit]],
                "unread": [_shown_unread(one) for one in self.unread[:limit]],
                "unexplained": [_shown(event) for event in self.unexplained[:limit]],
            },
        }


async def look(place: Place, progress: Progress) -> Found:
    """Lists every difference, and changes nothing; also beside a service at work."""
    async with opened(place) as dbs:
        [(service, db)] = dbs.items()
        return await _found(service, db, place.kafka, progress)


async def mend(place: Place, progress: Progress) -> Found:
    """Lists what it found, and mends what can be mended. May be begun again at any time. Raises Fault when the service
    runs."""
    async with alone(place) as dbs:
        [(service, db)] = dbs.items()
        found = await _found(service, db, place.kafka, progress)
        progress.step("Putting back what Kafka has")
        async with db.transaction():
            found.put_back = await restored.put_back(db, own_topic(service))
        # After the rows: a service that read its inputs again without them would say everything a second time.
        found.moved = await readers.to_the_beginning(place.kafka, [service])
        return found


async def forget(place: Place) -> int:
    """Gives up waiting for what the service has not said again."""
    async with opened(place) as dbs:
        [db] = dbs.values()
        return await restored.forget(db)


async def _found(service: str, db: asyncpg.Connection, kafka: str, progress: Progress) -> Found:
    there = await asyncio.to_thread(topics.present, kafka)
    progress.step(f"Reading what Kafka has of {service}")
    await published.note({service: db}, kafka, _written(service, set(there)), whole=True)
    found = Found(
        service,
        await restored.lacking(db),
        await restored.behind(db, own_topic(service)),
        await restored.reused(db),
        differing=await resend.differing(db),
        unexplained=await restored.unexplained(db),
    )
    progress.step(f"Reading what {service} has read")
    ends = await readers.committed(kafka, f"amanah.{service}")
    applied = await asyncio.to_thread(_read, service, kafka, ends, await _set_aside(db))
    for start in range(0, len(applied), CHUNK):
        streams = list(applied)[start : start + CHUNK]
        known = await positions.load(db, streams)
        found.unread += [
            Unread(*stream, known.get(stream, 0), applied[stream])
            for stream in streams
            if known.get(stream, 0) < applied[stream]
        ]
    return found


def _written(service: str, there: set[str]) -> set[str]:
    """Topics where it may write."""
    patterns = [
        re.escape(topic.topic).replace(re.escape(contracts.AGENCY), "[^.]+")
        for topic in contracts.load()
        if service in topic.writers
    ]
    return {name for name in there if any(re.fullmatch(pattern, name) for pattern in patterns)}


async def _set_aside(db: asyncpg.Connection) -> set[tuple[str, int, int]]:
    """Places of the records that wait in the database itself."""
    place = 'select topic, partition, "offset" from'
    rows = await db.fetch(f"{place} chassis_parked union {place} chassis_dead_letter")
    return {(row[0], row[1], row[2]) for row in rows}


def _read(
    service: str, kafka: str, ends: Mapping[readers.Place, int], set_aside: set[tuple[str, int, int]]
) -> dict[Stream, int]:
    """The highest number of each stream that lies before where the service's readers stand."""
    reads = import_module(f"amanah_{service}.app").SERVICE.topics()
    highest: dict[Stream, int] = {}
    for message in published.messages(kafka, reads):
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if offset >= ends.get((topic, partition), 0) or (topic, partition, offset) in set_aside:
            continue
        try:
            headers = {name: value.decode() for name, value in message.headers() or ()}
            stream = headers["ce_source"], UUID(headers["ce_subject"])
            highest[stream] = max(highest.get(stream, 0), int(headers["ce_sequence"]))
        except NOT_AN_EVENT:
            continue
    return highest


def _shown(event: Event | Reused) -> dict[str, Any]:
    return {name: value if isinstance(value, int) else str(value) for name, value in event._asdict().items()}


def _shown_unread(one: Unread) -> dict[str, Any]:
    return {"source": one.source, "subject": str(one.subject), "applied": one.applied, "written": one.written}
