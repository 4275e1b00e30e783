"""The bare monitor of `bench pipeline` and `bench replay`: facts and clocks by hand, of a law that knows a given due instant
only. The same statements as the service for each kind of event in a batch, in the order in which a complaint lives."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from amanah.bench import bare

LIFE = ("complaint.submitted.v1", "complaint.routed.v1", "case.acknowledged.v1", "case.resolved.v1")
TOPICS = ("complaints", "assignments", "cases")
_KEPT = ("occurred_at", "received_at", "channel", "category", "region", "visibility", "source_ref", "given_due_at")
_OF_HOLDER = ("agency", "assignment", "actor")

_ADD_FACTS = """
    insert into casefile as c (complaint_id, facts) select * from unnest($1::uuid[], $2::jsonb[])
    on conflict (complaint_id) do update set facts = c.facts || excluded.facts
    returning complaint_id, facts, xmax <> 0
    """
_TOLD = """
    select complaint_id, agency, state from deadline where complaint_id = any($1)
    order by complaint_id, stage, holder for update
    """
_SAVE = """
    insert into deadline (complaint_id, stage, holder, rule, rule_version, calendar, deadline_version, agency, state,
                          started_at, due_at, ended_at, next_fire_at, source_ref)
    select c, 'resolution', 0, 'given', '1', null, 1, a, s, b, d, e, f, r
    from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
                $7::timestamptz[], $8::text[]) u (c, a, s, b, d, e, f, r)
    on conflict (complaint_id, stage, holder) do update
    set agency = excluded.agency, state = excluded.state, due_at = excluded.due_at, ended_at = excluded.ended_at,
        next_fire_at = excluded.next_fire_at
    """


class Read(NamedTuple):
    """A record as it was read."""

    kind: str
    source: str
    seq: int
    subject: UUID
    body: dict[str, Any]


class Clock(NamedTuple):
    """What all facts of a complaint come to."""

    subject: UUID
    agency: str | None
    state: str
    started_at: datetime
    due_at: datetime
    ended_at: datetime | None
    source_ref: str | None


async def watch(database: str, kafka: str, reads: str, writes: str, committed: asyncio.Event) -> None:
    """Until it is cancelled; sets `committed` after each commit."""
    db = await asyncpg.connect(database)
    topics = [f"{reads}.{topic}" for topic in TOPICS]
    async for records, reader in bare.batches(kafka, topics, f"{writes}.sla_monitor"):
        found = [read(record) for record in records]
        async with db.transaction():
            await _apply(db, found, writes)
        committed.set()
        await reader.commit()


def read(record: Any) -> Read:
    headers = dict(record.headers)
    body = json.loads(record.value)
    return Read(
        headers["ce_type"].decode(),
        headers["ce_source"].decode(),
        int(headers["ce_sequence"]),
        UUID(body["complaint_id"]),
        body,
    )


async def _apply(db: asyncpg.Connection, found: Sequence[Read], writes: str) -> None:
    after = {(one.source, one.subject): one.seq for one in found}
    now = await bare.begin(db, list(after))
    events: list[bare.Outgoing] = []
    for kind in LIFE:
        if some := [one for one in found if one.kind == kind]:
            events += await _apply_kind(db, some, now, writes)
    await bare.store(db, events, now)
    await bare.advance(db, after)


async def _apply_kind(db: asyncpg.Connection, some: Sequence[Read], now: datetime, writes: str) -> list[bare.Outgoing]:
    await db.fetchval("select fingerprint from law for share")
    ordered = sorted(some, key=lambda one: one.subject)
    rows = await db.fetch(_ADD_FACTS, [one.subject for one in ordered], [f"[{fact(one)}]" for one in ordered])
    known = [row[0] for row in rows if row[2]]
    told = {row[0]: (row[1], row[2]) for row in await db.fetch(_TOLD, known)} if known else {}
    folded = [clock for row in rows if (clock := fold(row[0], json.loads(row[1]))) is not None]
    changed = [clock for clock in folded if told.get(clock.subject) != (clock.agency, clock.state)]
    if changed:
        await _save(db, changed)
    return [event for clock in changed for event in _said(clock, told.get(clock.subject), now, writes)]


def fact(one: Read) -> str:
    """As the table keeps it."""
    kept = {name: one.body[name] for name in (*_KEPT, *_OF_HOLDER) if one.body.get(name) is not None}
    return json.dumps({"kind": one.kind.removesuffix(".v1"), "source": one.source, "seq": one.seq} | kept)


def fold(subject: UUID, facts: Iterable[dict[str, Any]]) -> Clock | None:
    """The one clock of such a complaint; None while it is not known to be filed."""
    by_kind = {one["kind"]: one for one in facts}
    filed = by_kind.get("complaint.submitted")
    if filed is None:
        return None
    resolved = by_kind.get("case.resolved")
    return Clock(
        subject,
        by_kind.get("complaint.routed", {}).get("agency"),
        "met" if resolved else "running",
        datetime.fromisoformat(filed["occurred_at"]),
        datetime.fromisoformat(filed["given_due_at"]),
        datetime.fromisoformat(resolved["received_at"]) if resolved else None,
        filed.get("source_ref"),
    )


async def _save(db: asyncpg.Connection, clocks: Sequence[Clock]) -> None:
    await db.execute(
        _SAVE,
        [clock.subject for clock in clocks],
        [clock.agency for clock in clocks],
        [clock.state for clock in clocks],
        [clock.started_at for clock in clocks],
        [clock.due_at for clock in clocks],
        [clock.ended_at for clock in clocks],
        [None if clock.ended_at else clock.due_at for clock in clocks],
        [clock.source_ref for clock in clocks],
    )


def _said(clock: Clock, before: Any, now: datetime, writes: str) -> list[bare.Outgoing]:
    """A clock that began, and one that was met."""
    kinds = [*(["started"] if before is None else []), *(["met"] if clock.state == "met" else [])]
    topics = [(f"{writes}.deadlines", "")]
    if clock.agency:
        own = f"{writes}.agency.{clock.agency}"
        topics.append((own, own))
    body = {
        "complaint_id": str(clock.subject),
        "occurred_at": (clock.ended_at or clock.started_at).isoformat(),
        "received_at": now.isoformat(),
        "agency": clock.agency,
        "stage": "resolution",
        "rule": "given",
        "rule_version": "1",
        "deadline_version": 1,
        "holder": 0,
        "due_at": clock.due_at.isoformat(),
        "source_ref": clock.source_ref,
    }
    return [event for kind in kinds for event in bare.outgoing(topics, clock.subject, f"deadline.{kind}.v1", body)]
