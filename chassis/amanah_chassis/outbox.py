"""The outbox: events committed with the state they tell of. Nothing is published any other way; see `relay.py`."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from amanah_chassis.database import Connection
from amanah_chassis.restored import Copy, Outgoing, not_yet_said
from amanah_contracts.envelope import Audience, Event

COUNTED = 100_000
"""Unsent events, at most: to count very many every second would hold up those who send them."""
OWNER = ""
"""The audience name of an owner's own topic."""

Stream = tuple[UUID, str]
"""A subject and an audience."""


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
    outgoing = [Outgoing(copies(event), event.type(), traceparent) for event, traceparent in emitted]
    streams = _streams(outgoing)
    if not streams:
        return
    numbers, was_restored = await _reserve(db, streams)
    if was_restored:
        outgoing = await not_yet_said(db, outgoing)
        await _give_back(db, streams - _streams(outgoing))
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


def _streams(outgoing: Sequence[Outgoing]) -> Counter[Stream]:
    return Counter((copy.subject, copy.audience) for one in outgoing for copy in one.copies)


async def _reserve(db: Connection, wanted: Counter[Stream]) -> tuple[dict[Stream, int], bool]:
    """Takes the next numbers of each stream; answers the last number already used, and whether this database was restored
    and has not yet said again all that it had said. Rows are locked in one order, so two writers cannot deadlock, and the
    lock makes ids of one stream follow its commits."""
    streams = sorted(wanted, key=lambda stream: (stream[0].int, stream[1]))
    rows = await db.fetch(
        """
        insert into chassis_stream as s (subject, audience, seq)
        select * from unnest($1::uuid[], $2::text[], $3::bigint[])
        on conflict (subject, audience) do update set seq = s.seq + excluded.seq
        returning subject, audience, seq, exists (select from chassis_restored)
        """,
        [subject for subject, _ in streams],
        [audience for _, audience in streams],
        [wanted[stream] for stream in streams],
    )
    return {(row[0], row[1]): row[2] - wanted[row[0], row[1]] for row in rows}, rows[0][3]


async def _give_back(db: Connection, unused: Counter[Stream]) -> None:
    """The highest numbers of what was reserved: the rows are still locked, so nobody has taken any behind them."""
    streams = list(unused)
    await db.execute(
        """
        update chassis_stream s set seq = s.seq - u.count
        from unnest($1::uuid[], $2::text[], $3::bigint[]) as u (subject, audience, count)
        where s.subject = u.subject and s.audience = u.audience
        """,
        [subject for subject, _ in streams],
        [audience for _, audience in streams],
        [unused[stream] for stream in streams],
    )


async def unsent(db: Connection) -> tuple[int, float]:
    """How many events wait for Kafka, up to COUNTED, and the age of the oldest in seconds; 0 and 0.0 when none does."""
    [row] = await db.fetch(
        """
        select (select count(*) from (select from chassis_outbox where sent_at is null limit $1) waiting),
               (select extract(epoch from chassis_now() - created_at)::float8 from chassis_outbox
                where sent_at is null order by id limit 1)
        """,
        COUNTED,
    )
    return row[0], row[1] or 0.0
