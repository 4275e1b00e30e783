"""After a database was restored to an earlier time, while Kafka is ahead: what it had said since is put back from Kafka, so
that no number is used again for another event; and what it says again while it reads its inputs again is not sent again.

What Kafka has is noted before (`resend.note`), in the same session, while no process of the service runs.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import eq
from typing import Any, NamedTuple
from uuid import UUID

from amanah_chassis.database import Connection

Content = dict[str, Any]
Known = dict[tuple[str, UUID, str], list[tuple[UUID, Content]]]
"""Topic, subject and type to the events that were put back: id and content."""


class Copy(NamedTuple):
    """One event on its way to one topic."""

    event_id: UUID
    topic: str
    subject: UUID
    audience: str
    value: bytes


class Outgoing(NamedTuple):
    """One event with all its copies."""

    copies: list[Copy]
    type: str
    traceparent: str | None


class Event(NamedTuple):
    """An event that one side has and the other has not."""

    topic: str
    event_id: UUID
    type: str
    subject: UUID
    seq: int


class Reused(NamedTuple):
    """A number that Kafka has for one event and the outbox for another."""

    topic: str
    subject: UUID
    seq: int
    in_kafka: UUID
    in_outbox: UUID


_LACKING = """
    select distinct on (k.topic, k.event_id) k.* from in_kafka k
    where not exists (select from chassis_outbox o where o.event_id = k.event_id and o.topic = k.topic)
      and k.sent_at > coalesce((select up_to from chassis_pruned where what = 'chassis_outbox'), '-infinity')
    order by k.topic, k.event_id, k.sent_at
    """
"""What retention may have deleted is not missed."""


async def lacking(db: Connection) -> list[Event]:
    """Events that Kafka has and the outbox has not."""
    await db.execute("analyze in_kafka")
    rows = await db.fetch(
        f"select topic, event_id, type, subject, seq from ({_LACKING}) l order by sent_at, topic, seq"  # noqa: S608 - above
    )
    return [Event(*row) for row in rows]


async def reused(db: Connection) -> list[Reused]:
    """Numbers that mean two events by now."""
    rows = await db.fetch(
        """
        select distinct k.topic, k.subject, k.seq, k.event_id, o.event_id from in_kafka k
        join chassis_outbox o on o.topic = k.topic and o.subject = k.subject and o.seq = k.seq and o.event_id <> k.event_id
        order by 1, 2, 3
        """
    )
    return [Reused(*row) for row in rows]


async def behind(db: Connection, own_topic: str) -> int:
    """How many streams would give out a number that Kafka has seen."""
    return int(
        await db.fetchval(
            """
            select count(*) from (
                select subject, case when topic = $1 then '' else topic end as audience, max(seq) as seq
                from in_kafka group by 1, 2
            ) k left join chassis_stream s using (subject, audience) where coalesce(s.seq, 0) < k.seq
            """,
            own_topic,
        )
    )


async def put_back(db: Connection, own_topic: str) -> int:
    """In the caller's transaction: gives the outbox the events that Kafka has, in the order of the broker's stamps, and each
    stream the highest number that Kafka has seen; what Kafka has and the outbox calls unsent is sent. Answers how many
    events came back. Done again, it changes nothing."""
    await db.execute("analyze in_kafka")
    await db.execute(
        """
        update chassis_outbox o set sent_at = k.sent_at from in_kafka k
        where o.sent_at is null and k.event_id = o.event_id and k.topic = o.topic
        """
    )
    await db.execute(
        """
        insert into chassis_stream as s (subject, audience, seq)
        select subject, case when topic = $1 then '' else topic end, max(seq) from in_kafka group by 1, 2
        on conflict (subject, audience) do update set seq = greatest(s.seq, excluded.seq)
        """,
        own_topic,
    )
    done = await db.execute(
        f"""
        with put as (
            insert into chassis_outbox (event_id, topic, subject, type, seq, traceparent, value, created_at, sent_at)
            select event_id, topic, subject, type, seq, traceparent, value, created_at, sent_at from ({_LACKING}) l
            order by l.sent_at, l.topic, l.seq
            returning id, subject
        )
        insert into chassis_restored (outbox_id, subject) select id, subject from put
        """  # noqa: S608 - above
    )
    return int(done.rpartition(" ")[2])


async def unexplained(db: Connection) -> list[Event]:
    """What was put back and has not been said again by the service itself."""
    rows = await db.fetch(
        """
        select o.topic, o.event_id, o.type, o.subject, o.seq from chassis_restored r
        join chassis_outbox o on o.id = r.outbox_id order by o.id
        """
    )
    return [Event(*row) for row in rows]


async def forget(db: Connection) -> int:
    """Waits no longer for what the service has not said again."""
    return int((await db.execute("delete from chassis_restored")).rpartition(" ")[2])


async def not_yet_said(db: Connection, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
    """Of these events those that Kafka has not. One that was put back is known again by its type and content, instants
    aside, for it is found out later now than it was then; if none is the same, by one that only lacks what the other
    knows, for inputs of several topics are read in another order now. A copy of it that had not reached Kafka is sent
    under its old id. In the caller's transaction, after the numbers of the streams are locked."""
    rows = await db.fetch(
        """
        select r.outbox_id, o.event_id, o.topic, o.subject, o.type, o.value from chassis_restored r
        join chassis_outbox o on o.id = r.outbox_id where r.subject = any($1::uuid[]) order by o.topic, o.seq
        """,
        list({copy.subject for one in outgoing for copy in one.copies}),
    )
    known: Known = defaultdict(list)
    places: dict[UUID, dict[str, int]] = defaultdict(dict)
    for outbox_id, event_id, topic, subject, kind, value in rows:
        known[topic, subject, kind].append((event_id, content(value)))
        places[event_id][topic] = outbox_id
    new: list[Outgoing] = []
    explained: list[int] = []
    for one in outgoing:
        event_id = _known_as(one, known, places)
        if event_id is None:
            new.append(one)
            continue
        lying = places.pop(event_id)
        explained += lying.values()
        if left := [copy._replace(event_id=event_id) for copy in one.copies if copy.topic not in lying]:
            new.append(one._replace(copies=left))
    await db.execute("delete from chassis_restored where outbox_id = any($1::bigint[])", explained)
    return new


def _known_as(one: Outgoing, known: Known, places: Mapping[UUID, Any]) -> UUID | None:
    """The first event of that content that has not been said again yet."""
    for alike in (eq, compatible):
        for copy in one.copies:
            said = content(copy.value)
            for event_id, before in known.get((copy.topic, copy.subject, one.type), ()):
                if event_id in places and alike(before, said):
                    return event_id
    return None


def content(value: bytes) -> Content:
    """What a body says but for its instants."""
    found: Content = _timeless(json.loads(value))
    return found


def compatible(one: Content, other: Content) -> bool:
    """Whether neither contradicts the other. What tells one thing from another (stage, holder, version, assignment) every
    body has; a field that may be absent was not known yet."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _timeless(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _timeless(of) for name, of in part.items() if not _instant(of)}
    if isinstance(part, list):
        return [_timeless(of) for of in part]
    return part


def _instant(part: Any) -> bool:
    if not isinstance(part, str) or "T" not in part:
        return False
    try:
        return datetime.fromisoformat(part).tzinfo is not None
    except ValueError:
        return False
