"""The outbox: events committed with the state they tell of. Nothing is published any other way; see `relay.py`."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from amanah_chassis.database import Connection
from amanah_contracts.envelope import Audience, Event

OWNER = ""
"""The audience name of an owner's own topic."""


class Copy(NamedTuple):
    """One event on its way to one topic."""

    event_id: UUID
    topic: str
    subject: UUID
    audience: str
    value: bytes


def copies(event: Event) -> list[Copy]:
    """The owner's copy, and a reduced view for each audience that has a topic. One event has one id on every topic."""
    event_id, subject, whole, hidden = uuid7(), event.subject, event.view(None), event.hidden
    made = [Copy(event_id, event.topic, subject, OWNER, whole)]
    for audience in event.audiences:
        if topic := audience_topic(audience, event.addressee):
            value = event.view(audience) if hidden.get(audience) else whole
            made.append(Copy(event_id, topic, subject, topic, value))
    return made


def audience_topic(audience: Audience, addressee: str | None) -> str | None:
    """The topic where an audience reads; None when the event concerns nobody of that audience, or it reads no topic."""
    if audience is Audience.PUBLIC:
        return None  # the public reads pages, not topics
    if audience is Audience.OMBUDSMAN:
        return f"amanah.{audience}"
    return f"amanah.{audience}.{addressee}" if addressee else None


async def write(db: Connection, emitted: Sequence[tuple[Event, str | None]], now: datetime) -> None:
    """Numbers the events within their streams and stores them, set-based: two statements whatever their count."""
    outgoing = [(copies(event), event.type(), traceparent) for event, traceparent in emitted]
    streams = [(copy.subject, copy.audience) for made, _, _ in outgoing for copy in made]
    if not streams:
        return
    numbers = await _reserve(db, Counter(streams))
    rows = []
    for made, kind, traceparent in outgoing:
        for event_id, topic, subject, audience, value in made:
            number = numbers[subject, audience] = numbers[subject, audience] + 1
            rows.append((event_id, topic, subject, kind, number, traceparent, value, now))
    await db.copy_records_to_table(
        "chassis_outbox",
        records=rows,
        columns=("event_id", "topic", "subject", "type", "seq", "traceparent", "value", "created_at"),
    )


async def _reserve(db: Connection, wanted: Counter[tuple[UUID, str]]) -> dict[tuple[UUID, str], int]:
    """Takes the next numbers of each stream; answers the last number already used. Rows are locked in one order, so two
    writers cannot deadlock, and the lock makes ids of one stream follow its commits."""
    streams = sorted(wanted, key=lambda stream: (stream[0].int, stream[1]))
    rows = await db.fetch(
        """
        insert into chassis_stream as s (subject, audience, seq)
        select * from unnest($1::uuid[], $2::text[], $3::bigint[])
        on conflict (subject, audience) do update set seq = s.seq + excluded.seq
        returning subject, audience, seq
        """,
        [subject for subject, _ in streams],
        [audience for _, audience in streams],
        [wanted[stream] for stream in streams],
    )
    return {(row[0], row[1]): row[2] - wanted[row[0], row[1]] for row in rows}
