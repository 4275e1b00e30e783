"""Topics made anew from the outboxes: everything is marked as not sent, sent once more in order, and compared."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import asyncpg

from amanah.embedded import topics
from amanah.embedded.services import SERVICES
from amanah.fault import Fault
from amanah.progress import Progress
from amanah.recovery import published, readers
from amanah.recovery.places import Place, alone, opened, own_topic
from amanah_chassis import resend
from amanah_chassis.relay import Relay
from amanah_chassis.resend import Differing, Pruned

STALLED_SECONDS = 60.0
"""Kafka takes nothing more for so long: what is left is then held back, or Kafka is away."""

LEADERS_SECONDS = 20.0


@dataclass(frozen=True)
class Rebuilt:
    """What came of it."""

    sent: Mapping[str, int]
    """Service to events sent now."""
    records: Mapping[str, int]
    """Topic to records that lie in it now."""
    moved: int
    """Partitions whose readers begin again."""
    pruned: list[Pruned]
    others: list[str]
    """Topics that outsiders write, of which no outbox knows."""
    differing: list[Differing]

    def as_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "sent": dict(self.sent),
            "records": dict(self.records),
            "partitions_read_again": self.moved,
            "pruned": [one._asdict() for one in self.pruned],
            "written_by_others": self.others,
            "differing": [one._asdict() for one in self.differing],
        }


async def rebuild(place: Place, add: bool, progress: Progress) -> Rebuilt:
    """May be begun again at any time: what is marked is sent by whoever comes next, this command or the services. Raises
    Fault when a service runs, a topic is missing, or one holds something already and `add` does not allow it."""
    async with alone(place) as dbs:
        wanted = set().union(*[await resend.topics(db) for db in dbs.values()])
        filled = await asyncio.to_thread(_filled, place.kafka, wanted, add)
        if filled:
            progress.step("Reading what Kafka has")
            await published.note(dbs, place.kafka, filled, whole=False)
        sent = {service: await _mark(db, lacking_only=bool(filled)) for service, db in dbs.items()}
        gone = [one for service, db in dbs.items() for one in await resend.pruned(db, own_topic(service))]
        moved = await readers.to_the_beginning(place.kafka, SERVICES, wanted)
    await _send(place, sum(sent.values()), progress)
    progress.step("Holding the topics against the outboxes")
    differing = await _compared(place, wanted)
    there = await asyncio.to_thread(topics.present, place.kafka)
    return Rebuilt(
        sent, {topic: there[topic][1] for topic in sorted(wanted)}, moved, gone,
        sorted(topic for topic in there if topic.startswith("amanah.") and topic.endswith(".replies")), differing,
    )  # fmt: skip


def _filled(kafka: str, wanted: set[str], add: bool) -> set[str]:
    """Which of these topics hold something."""
    there = _present(kafka)
    if missing := sorted(wanted - there.keys()):
        raise Fault(f"Kafka has no topic {', '.join(missing)}. Create them first: ./amanah topics create")
    filled = {topic for topic in wanted if there[topic][1]}
    if filled and not add:
        raise Fault(
            f"{len(filled)} of {len(wanted)} topics hold something already, such as {min(filled)}. With --add what they"
            " lack is sent behind it; readers of yours then meet old events after newer ones."
        )
    return filled


def _present(kafka: str) -> dict[str, tuple[int, int]]:
    """Of topics that were created a moment ago the partitions have no leader yet, and nobody can say what is in them."""
    deadline = monotonic() + LEADERS_SECONDS
    while True:
        try:
            return topics.present(kafka)
        except Fault:
            if monotonic() > deadline:
                raise
            sleep(0.5)


async def _mark(db: asyncpg.Connection, *, lacking_only: bool) -> int:
    async with db.transaction():
        await resend.set_places_aside(db)
        return await resend.unsend(db, lacking_only=lacking_only)


async def _send(place: Place, count: int, progress: Progress) -> None:
    """By the services' own relays. The services themselves stay down until all is there: what they would say by the clock
    they would say without knowing what is still to come."""
    progress.step(f"Sending {count:,} events")
    working = [
        asyncio.create_task(Relay(dsn, place.kafka, f"amanah.{service}").run(), name=service)
        for service, dsn in place.databases.items()
    ]
    try:
        await _until_sent(place, working)
    finally:
        for relay in working:
            relay.cancel()
        for relay in working:
            with suppress(asyncio.CancelledError):
                await relay


async def _until_sent(place: Place, working: "list[asyncio.Task[None]]") -> None:
    least, heard = None, monotonic()
    dbs = [await asyncpg.connect(dsn) for dsn in place.databases.values()]
    try:
        while left := sum([await resend.unsent(db) for db in dbs]):
            for relay in working:
                if relay.done():
                    relay.result()
            if least is None or left < least:
                least, heard = left, monotonic()
            elif monotonic() > heard + STALLED_SECONDS:
                raise Fault(f"Kafka takes no more: {left:,} events are not sent. They stay marked; begin again.")
            await asyncio.sleep(0.2)
    finally:
        for db in dbs:
            await db.close()


async def _compared(place: Place, wanted: set[str]) -> list[Differing]:
    async with opened(place) as dbs:
        await published.note(dbs, place.kafka, wanted, whole=False)
        return [one for db in dbs.values() for one in await resend.differing(db)]
