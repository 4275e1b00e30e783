"""Every SQL statement of `intake`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from amanah_chassis.database import Connection, Querier
from amanah_intake.domain.form import Form
from amanah_intake.domain.standing import Fact, What


class TrackingCodeTaken(Exception):
    """Chance gave a code that another complaint has; file again with a new one."""


class Sealed(NamedTuple):
    """What is stored of one filing that nobody may read without the wrapping key."""

    wrapped_key: bytes
    identity: bytes | None
    narrative: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Filing:
    """One filing, ready to be stored."""

    complaint_id: UUID
    key_digest: bytes
    tracking_code: str
    tracking_hash: bytes
    occurred_at: datetime
    submitted_at: datetime
    form: Form
    sealed: Sealed


class Remembered(NamedTuple):
    complaint_id: UUID
    sealed_answer: bytes
    wrapped_key: bytes | None


class Followed(NamedTuple):
    """A complaint as its citizen follows it."""

    complaint_id: UUID
    tracking_code: str
    submitted_at: datetime


class Deadline(NamedTuple):
    stage: str
    holder: int
    due_at: datetime | None
    state: str


class Told(NamedTuple):
    """A fact to be added, with the id of the event that told it."""

    complaint_id: UUID
    event_id: UUID
    fact: Fact


_FILED = {
    "key_digest": "bytea",
    "complaint_id": "uuid",
    "answer": "bytea",
    "wrapped_key": "bytea",
    "identity": "bytea",
    "narrative": "bytea",
    "tracking_code": "text",
    "tracking_hash": "bytea",
    "channel": "text",
    "category": "text",
    "classification": "text",
    "region": "text",
    "agency_named": "text",
    "visibility": "text",
    "source_ref": "text",
    "given_due_at": "timestamptz",
    "language": "text",
    "occurred_at": "timestamptz",
    "submitted_at": "timestamptz",
}
# One statement, so one round trip for all: nothing is filed unless its key was free. A second filing with the same key waits
# here for the first to commit, then finds the key taken. Keys are claimed in one order, so two commits cannot deadlock.
_FILE = f"""
with asked as (
    select * from unnest({", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_FILED.values(), 1))})
        as a ({", ".join(_FILED)})
), claimed as (
    insert into intake_idempotency (key_digest, complaint_id, sealed_answer)
    select key_digest, complaint_id, answer from asked order by key_digest
    on conflict (key_digest) do nothing returning complaint_id
), won as materialized (
    select * from asked join claimed using (complaint_id)
), keyed as (
    insert into intake_data_key (complaint_id, wrapped) select complaint_id, wrapped_key from won
), identified as (
    insert into intake_identity (complaint_id, sealed) select complaint_id, identity from won where identity is not null
), kept as (
    insert into intake_original (complaint_id, sealed_narrative) select complaint_id, narrative from won
), filed as (
    insert into intake_complaint (id, tracking_code, tracking_hash, channel, category, classification, region, agency_named,
        visibility, source_ref, given_due_at, language, occurred_at, submitted_at)
    select complaint_id, tracking_code, tracking_hash, channel, category, classification, region, agency_named,
        visibility, source_ref, given_due_at, language, occurred_at, submitted_at from won
)
select complaint_id from claimed
"""  # noqa: S608 - built from the names above


async def file(db: Connection, filings: Sequence[Filing]) -> set[UUID]:
    """Stores filings and answers which: not those whose idempotency key is taken. Raises TrackingCodeTaken, and then none is
    stored."""
    if not filings:
        return set()
    try:
        rows = await db.fetch(_FILE, *zip(*map(_row, filings), strict=True))
    except asyncpg.UniqueViolationError as taken:
        if taken.constraint_name == "intake_tracking_code":
            raise TrackingCodeTaken from taken
        raise
    return {row[0] for row in rows}


def _row(filing: Filing) -> tuple[Any, ...]:
    """In the order of `_FILED`."""
    form, sealed = filing.form, filing.sealed
    return (
        filing.key_digest,
        filing.complaint_id,
        sealed.answer,
        sealed.wrapped_key,
        sealed.identity,
        sealed.narrative,
        filing.tracking_code,
        filing.tracking_hash,
        form.channel.value,
        form.category,
        form.classification,
        form.region,
        form.agency_named,
        form.visibility.value,
        form.source_ref,
        form.given_due_at,
        form.language,
        filing.occurred_at,
        filing.submitted_at,
    )


async def remembered(db: Connection, key_digest: bytes) -> Remembered | None:
    """The answer given to an idempotency key, with the key that opens it unless that was erased."""
    row = await db.fetchrow(
        """
        select i.complaint_id, i.sealed_answer, k.wrapped
        from intake_idempotency i left join intake_data_key k using (complaint_id)
        where i.key_digest = $1
        """,
        key_digest,
    )
    return Remembered(*row) if row else None


async def forget_keys(db: Querier, term: timedelta, at_most: int) -> int:
    """Forgets idempotency keys past their term; answers how many, `at_most` at a time so that no filing waits long."""
    done: str = await db.execute(
        """
        delete from intake_idempotency where key_digest in (
            select key_digest from intake_idempotency
            where created_at < statement_timestamp() - $1::interval order by created_at limit $2
        )
        """,
        term,
        at_most,
    )
    return int(done.rsplit(maxsplit=1)[-1])


async def any_wrapped_key(db: Querier) -> tuple[UUID, bytes] | None:
    """One data key, to prove at start that the wrapping key fits this database."""
    row = await db.fetchrow("select complaint_id, wrapped from intake_data_key limit 1")
    return (row[0], row[1]) if row else None


class Contact(NamedTuple):
    language: str
    sealed_identity: bytes | None
    wrapped_key: bytes | None


async def contact(db: Connection, complaint_id: UUID) -> Contact | None:
    row = await db.fetchrow(
        """
        select c.language, i.sealed, k.wrapped
        from intake_complaint c
        left join intake_identity i on i.complaint_id = c.id
        left join intake_data_key k on k.complaint_id = c.id
        where c.id = $1
        """,
        complaint_id,
    )
    return Contact(*row) if row else None


async def record_read(
    db: Connection, complaint_id: UUID, reader: str, purpose: str, given: bool, now: datetime
) -> None:
    await db.execute(
        "insert into intake_identity_read (complaint_id, reader, purpose, given, read_at) values ($1, $2, $3, $4, $5)",
        complaint_id,
        reader,
        purpose,
        given,
        now,
    )


async def erase(db: Connection, complaint_id: UUID, now: datetime) -> bool:
    """Deletes the data key, and with it all that was sealed; False when there is no such complaint. Safe to repeat."""
    return (
        await db.fetchval(
            """
            with gone as (delete from intake_data_key where complaint_id = $1)
            update intake_complaint set erased_at = coalesce(erased_at, $2) where id = $1 returning id
            """,
            complaint_id,
            now,
        )
        is not None
    )


async def followed(db: Querier, tracking_hash: bytes) -> Followed | None:
    row = await db.fetchrow(
        "select id, tracking_code, submitted_at from intake_complaint where tracking_hash = $1", tracking_hash
    )
    return Followed(*row) if row else None


async def facts_of(db: Querier, complaint_id: UUID) -> list[Fact]:
    rows = await db.fetch(
        """
        select what, occurred_at, received_at, agency, assignment, words, action, withdraws
        from intake_fact where complaint_id = $1
        """,
        complaint_id,
    )
    return [Fact(What(row[0]), *row[1:]) for row in rows]


async def deadlines_of(db: Querier, complaint_id: UUID) -> list[Deadline]:
    rows = await db.fetch(
        "select stage, holder, due_at, state from intake_deadline where complaint_id = $1 order by due_at, stage, holder",
        complaint_id,
    )
    return [Deadline(*row) for row in rows]


async def add_facts(db: Connection, told: Sequence[Told]) -> None:
    await db.execute(
        """
        insert into intake_fact
            (complaint_id, event_id, what, agency, assignment, words, occurred_at, received_at, action, withdraws)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::uuid[], $10::uuid[])
        on conflict do nothing
        """,
        [t.complaint_id for t in told],
        [t.event_id for t in told],
        [t.fact.what.value for t in told],
        [t.fact.agency for t in told],
        [t.fact.assignment for t in told],
        [t.fact.words for t in told],
        [t.fact.occurred_at for t in told],
        [t.fact.received_at for t in told],
        [t.fact.action for t in told],
        [t.fact.withdraws for t in told],
    )


async def set_deadlines(db: Connection, deadlines: Sequence[tuple[UUID, Deadline]]) -> None:
    """Takes each complaint's deadline as last said; a complaint and clock may come once only."""
    await db.execute(
        """
        insert into intake_deadline as d (complaint_id, stage, holder, due_at, state)
        select * from unnest($1::uuid[], $2::text[], $3::int[], $4::timestamptz[], $5::text[])
        on conflict (complaint_id, stage, holder) do update set due_at = excluded.due_at, state = excluded.state
        """,
        [complaint_id for complaint_id, _ in deadlines],
        [deadline.stage for _, deadline in deadlines],
        [deadline.holder for _, deadline in deadlines],
        [deadline.due_at for _, deadline in deadlines],
        [deadline.state for _, deadline in deadlines],
    )
