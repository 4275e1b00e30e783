"""The outbox as what a topic can be made from anew: its events are sent once more, under their ids and numbers.

For an operator whose Kafka lost what it had, while no process of the service runs: `alone` asks for that. What Kafka has is
noted in a temporary table of the session (`note`), so that two large sets are compared where one of them lies.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from amanah_chassis.database import Connection


class Published(NamedTuple):
    """An event of this service as it lies in Kafka. `value` may be left out where its digest is enough."""

    event_id: UUID
    topic: str
    subject: UUID
    type: str
    seq: int
    traceparent: str | None
    value: bytes | None
    digest: bytes
    """SHA-256 of the body."""
    created_at: datetime
    sent_at: datetime
    """The broker's stamp."""


class Pruned(NamedTuple):
    """What retention has taken, of one topic."""

    topic: str
    events: int
    subjects: int


class Differing(NamedTuple):
    """Events of one topic that the outbox calls sent: how many Kafka lacks, and how many it has otherwise."""

    topic: str
    lacking: int
    otherwise: int


async def alone(db: Connection) -> bool:
    """Takes the relay's lead for this session. Every process of a service asks for it, so whoever gets it is alone."""
    return bool(await db.fetchval("select pg_try_advisory_lock(hashtext('chassis_relay'))"))


async def topics(db: Connection) -> set[str]:
    """Where its events go."""
    return {row[0] for row in await db.fetch("select distinct topic from chassis_outbox")}


async def begin_notes(db: Connection) -> None:
    """An empty list of what Kafka has; it ends with the session."""
    await db.execute(
        """
        create temporary table in_kafka (
            event_id uuid not null, topic text not null, subject uuid not null, type text not null, seq bigint not null,
            traceparent text, value bytea, digest bytea not null, created_at timestamptz not null,
            sent_at timestamptz not null
        )
        """
    )


async def note(db: Connection, published: Sequence[Published]) -> None:
    """Adds to that list."""
    await db.copy_records_to_table("in_kafka", records=published, columns=Published._fields)


async def unsend(db: Connection, *, lacking_only: bool) -> int:
    """Marks events as not sent, in the caller's transaction, and answers how many are to be sent now: all, or those that
    are not in the list of what Kafka has."""
    if lacking_only:
        await db.execute("analyze in_kafka")
        await db.execute(
            """
            update chassis_outbox o set sent_at = null where sent_at is not null and not exists
                (select from in_kafka k where k.event_id = o.event_id and k.topic = o.topic)
            """
        )
    else:
        await db.execute("update chassis_outbox set sent_at = null where sent_at is not null")
    return await unsent(db)


async def unsent(db: Connection) -> int:
    """How many wait to be sent."""
    return int(await db.fetchval("select count(*) from chassis_outbox where sent_at is null"))


async def set_places_aside(db: Connection) -> None:
    """Records set aside and dead letters are known by their place in Kafka, and a topic made anew gives out the same places
    again: a new record would be taken for the one that is kept. So the kept ones move below zero, in their order."""
    for table in ("chassis_parked", "chassis_dead_letter"):
        # By more than the whole range, so that no row meets another one on its way.
        await db.execute(
            f"""
            update {table} set "offset" = "offset" - (select max("offset") - least(min("offset"), 0) + 1 from {table})
            """  # noqa: S608 - the two names above
        )


async def pruned(db: Connection, own_topic: str) -> list[Pruned]:
    """What was once sent and is in the outbox no more: the numbers given out, less the rows that are there."""
    rows = await db.fetch(
        """
        select coalesce(nullif(s.audience, ''), $1), sum(s.seq - coalesce(o.kept, 0))::bigint, count(*)
        from chassis_stream s left join (
            select subject, case when topic = $1 then '' else topic end as audience, count(*) as kept
            from chassis_outbox group by 1, 2
        ) o using (subject, audience)
        where s.seq > coalesce(o.kept, 0) group by 1 order by 1
        """,
        own_topic,
    )
    return [Pruned(*row) for row in rows]


async def differing(db: Connection) -> list[Differing]:
    """Holds the events that are called sent against the list of what Kafka has."""
    await db.execute("analyze in_kafka")
    rows = await db.fetch(
        """
        select o.topic, count(*) filter (where k.event_id is null), count(*) filter (where k.event_id is not null)
        from chassis_outbox o left join in_kafka k on k.event_id = o.event_id and k.topic = o.topic
        where o.sent_at is not null and (k.event_id is null
            or (k.seq, k.type, k.subject, k.digest) is distinct from (o.seq, o.type, o.subject, sha256(o.value)))
        group by 1 order by 1
        """
    )
    return [Differing(*row) for row in rows]
