"""Records set aside until their turn comes: behind a gap, or waiting for a fact of another source."""

import base64
import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from amanah_chassis.batch import Delivered, Origin
from amanah_chassis.database import Connection

GAP = "gap"
"""`waiting_for` of a record whose predecessor has not arrived."""
QUEUE = "queue"
"""`waiting_for` of an order behind an earlier order of the same outsider about the same subject."""


def pack_headers(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """Header values may be any bytes or null; JSON with base64 keeps them whole. Bytes of a name that are not UTF-8 stand
    in it as lone surrogates (`surrogateescape`), which JSON keeps too."""
    return json.dumps([[name, _packed(value)] for name, value in headers]).encode()


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, None if value is None else base64.b64decode(value)) for name, value in json.loads(packed))


def _packed(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def origin_of(row: Any) -> Origin:
    """The record as it lay in Kafka, from a row of `chassis_parked` or `chassis_dead_letter`."""
    return Origin(
        row["topic"],
        row["partition"],
        row["offset"],
        row["appended_at"],
        row["key"],
        unpack_headers(row["headers"]),
        row["value"],
    )


async def park(db: Connection, waiting: Sequence[tuple[Delivered[Any], str]]) -> None:
    """Sets records aside in the caller's transaction; one that is set aside already keeps its place."""
    await db.executemany(
        """
        insert into chassis_parked
            (subject, source, seq, waiting_for, topic, partition, "offset", appended_at, key, headers, value)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (topic, partition, "offset") do update set waiting_for = excluded.waiting_for
        """,
        [(d.event.subject, d.source, d.seq, waiting_for, *origin_row(d.origin)) for d, waiting_for in waiting],
    )


def origin_row(o: Origin) -> tuple[Any, ...]:
    return (o.topic, o.partition, o.offset, o.appended_at, o.key, pack_headers(o.headers), o.value)


async def any_parked(db: Connection) -> bool:
    return bool(await db.fetchval("select exists (select from chassis_parked)"))


async def due(db: Connection, subjects: Collection[UUID]) -> list[asyncpg.Record]:
    """Parked records of these subjects whose turn may have come: the next of their stream, or waiting for any fact."""
    return await db.fetch(
        """
        select k.* from chassis_parked k
        left join chassis_position p using (source, subject)
        where k.subject = any($1::uuid[]) and (k.waiting_for <> 'gap' or k.seq <= coalesce(p.seq, 0) + 1)
        order by k.topic, k.partition, k."offset"
        """,
        list(subjects),
    )


async def all_due(db: Connection, limit: int) -> list[asyncpg.Record]:
    """The sweeper's question: gaps that have been filled, whoever filled them; and, every five seconds, what waits for a
    fact, so that its handler may give up on it."""
    return await db.fetch(
        """
        select k.* from chassis_parked k
        left join chassis_position p using (source, subject)
        where case k.waiting_for
            when 'gap' then k.seq <= coalesce(p.seq, 0) + 1
            else k.parked_at < clock_timestamp() - interval '5 seconds' end
        order by k.id limit $1
        """,
        limit,
    )


async def first_orders(db: Connection, subjects: Collection[UUID]) -> dict[tuple[str, int, UUID], int]:
    """The earliest order set aside of each (topic, partition, subject)."""
    rows = await db.fetch(
        """
        select topic, partition, subject, min("offset") from chassis_parked
        where seq = 0 and subject = any($1::uuid[]) group by topic, partition, subject
        """,
        list(subjects),
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def hold(db: Connection, places: Sequence[int]) -> bool:
    """Locks some for a try, in the caller's transaction; False when one is no longer there. Whoever comes meanwhile waits
    for the outcome, and finds them in their places if they were not applied: so no fact can slip between the two looks."""
    held = await db.fetch(
        """
        update chassis_parked k set parked_at = clock_timestamp()
        from (select id from chassis_parked where id = any($1) order by id for update) h where k.id = h.id
        returning k.id
        """,
        places,
    )
    return len(held) == len(places)


async def take(db: Connection, places: Sequence[int]) -> None:
    """Removes some in the caller's transaction."""
    await db.execute("delete from chassis_parked where id = any($1)", places)


async def oldest(db: Connection) -> tuple[int, float]:
    """How many are parked, and for how many (real) seconds the oldest record has existed."""
    [row] = await db.fetch(
        "select count(*), coalesce(extract(epoch from clock_timestamp() - min(appended_at)), 0)::float8 from chassis_parked"
    )
    return row[0], row[1]
