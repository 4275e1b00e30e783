"""Every SQL statement of the service."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from amanah_chassis.database import Connection
from amanah_chassis.retention import Portion
from amanah_notifier.domain import BREACH, LEVELS, Answer, Channel, Clock, Complaint, Notice, Told

WAKE = "notifier_due"
"""Postgres tells the workers on this channel, at commit, that something may be due earlier than they think."""


# -- deciding ---------------------------------------------------------------------------------------------------------


async def remember(db: Connection, complaints: Sequence[Complaint]) -> None:
    await db.execute(
        """
        insert into notifier_complaint (id, tracking_code, contactable, restricted)
        select * from unnest($1::uuid[], $2::text[], $3::bool[], $4::bool[]) on conflict do nothing
        """,
        [c.id for c in complaints],
        [c.tracking_code for c in complaints],
        [c.contactable for c in complaints],
        [c.restricted for c in complaints],
    )


async def complaints(db: Connection, ids: Iterable[UUID]) -> dict[UUID, Complaint]:
    rows = await db.fetch(
        "select id, tracking_code, contactable, restricted from notifier_complaint where id = any($1)", list(ids)
    )
    return {row["id"]: Complaint(**row) for row in rows}


async def insert(db: Connection, notices: Sequence[Notice]) -> None:
    """Queues notices; one that is there already stays as it is."""
    if not notices:
        return
    await db.execute(
        """
        insert into notifier_delivery (id, complaint_id, stem, about, occasion, recipient, agency, stage, channel, address,
                                       lane, template, facts, traceparent, holder, ended_by, since)
        select id, complaint_id, stem, about, occasion, recipient, agency, stage, channel, address,
               lane, template, facts, traceparent, holder, string_to_array(ended_by, ' '), since
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                    $9::text[], $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::text[], $15::int[], $16::text[],
                    $17::timestamptz[])
            n (id, complaint_id, stem, about, occasion, recipient, agency, stage, channel, address,
               lane, template, facts, traceparent, holder, ended_by, since)
        on conflict (id) do nothing
        """,
        [n.id for n in notices],
        [n.complaint_id for n in notices],
        [n.stem for n in notices],
        [n.about for n in notices],
        [n.occasion for n in notices],
        [n.recipient for n in notices],
        [n.agency for n in notices],
        [n.stage for n in notices],
        [str(n.channel) for n in notices],
        [n.address for n in notices],
        [lane(n.channel, n.address) for n in notices],
        [n.template for n in notices],
        [json.dumps(dict(n.facts)) for n in notices],
        [n.traceparent for n in notices],
        [n.holder for n in notices],
        # One text a notice: unnest would flatten arrays of arrays.
        [" ".join(n.ended_by) or None for n in notices],
        [n.since for n in notices],
    )
    await db.execute(f"notify {WAKE}")


MAIL = "mail"
"""The lane of all mail."""


def lane(channel: Channel, address: str) -> str:
    """All mail goes through one relay; a webhook's fate is that of its host."""
    return MAIL if channel is Channel.EMAIL else urlsplit(address).netloc


async def withdrawn_before(db: Connection, stem: str, occasions: Mapping[UUID, str]) -> dict[UUID, int]:
    """How often what `stem` says of each complaint and occasion has become untrue again; absent: never."""
    rows = await db.fetch(
        """
        select d.complaint_id, count(distinct d.occasion) from notifier_delivery d
        join unnest($1::uuid[], $2::text[]) w (complaint_id, occasion)
            on d.complaint_id = w.complaint_id and split_part(d.occasion, '#', 1) = w.occasion
        where d.stem = $3 and d.untrue group by 1
        """,
        list(occasions.keys()),
        list(occasions.values()),
        stem,
    )
    return {row[0]: row[1] for row in rows}


class Dropped(NamedTuple):
    """A notice that will never be sent, as metrics name it."""

    recipient: str
    channel: str


async def overtake(db: Connection, clocks: Sequence[Clock], stems: Iterable[str]) -> list[Dropped]:
    """Marks the unsent notices of these stems about these clocks as untrue: they will never be sent. One that a worker is
    just trying ends when that worker says what came of it."""
    rows = await db.fetch(
        """
        update notifier_delivery d
        set untrue = true,
            state = case when leased_by is null then 'superseded' else state end,
            settled_at = case when leased_by is null then clock_timestamp() end
        from unnest($1::uuid[], $2::text[], $3::int[]) w (complaint_id, stage, holder)
        where d.complaint_id = w.complaint_id and d.stage = w.stage and d.holder = w.holder and d.stem = any($4::text[])
            and d.state = 'pending' and not d.untrue
        returning d.recipient, d.channel, d.state
        """,
        [clock.complaint_id for clock in clocks],
        [clock.stage for clock in clocks],
        [clock.holder for clock in clocks],
        list(stems),
    )
    return [Dropped(row["recipient"], row["channel"]) for row in rows if row["state"] == "superseded"]


async def withdraw(db: Connection, breaches: Mapping[Clock, str]) -> tuple[dict[UUID, list[Told]], list[Dropped]]:
    """Marks the notices of these clocks' breaches, by occasion, and of every level of them as untrue. Answers, by complaint,
    which of them have reached their recipient or may have (an attempt may succeed without our knowing), and which never
    will."""
    rows = await db.fetch(
        """
        update notifier_delivery d
        set untrue = true,
            state = case when state = 'pending' and leased_by is null then 'superseded' else state end,
            settled_at = case when state = 'pending' and leased_by is null then clock_timestamp() else settled_at end
        from unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) w (complaint_id, stage, holder, occasion)
        where d.complaint_id = w.complaint_id and not d.untrue
            and (d.stem = $5 and split_part(d.occasion, '#', 1) = w.occasion
                 -- No level of a later breach of this clock can have been told before this one is withdrawn.
                 or d.stem = any($6::text[]) and d.stage = w.stage and d.holder = w.holder)
        returning d.complaint_id, d.stem, d.recipient, d.channel, d.agency, d.occasion, d.maybe_told, d.state,
            d.facts ->> 'role' as role, d.facts ->> 'office' as office
        """,
        [clock.complaint_id for clock in breaches],
        [clock.stage for clock in breaches],
        [clock.holder for clock in breaches],
        list(breaches.values()),
        BREACH,
        list(LEVELS),
    )
    told: dict[UUID, list[Told]] = {}
    for row in rows:
        if row["maybe_told"]:
            told.setdefault(row["complaint_id"], []).append(
                Told(
                    row["recipient"],
                    Channel(row["channel"]),
                    row["agency"],
                    row["occasion"],
                    row["stem"],
                    row["role"],
                    row["office"],
                )
            )
    return told, [Dropped(row["recipient"], row["channel"]) for row in rows if row["state"] == "superseded"]


async def note_answers(db: Connection, answers: Sequence[Answer]) -> None:
    await db.execute(
        """
        insert into notifier_answer (complaint_id, event_id, stem, agency, received_at, action)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[])
        on conflict do nothing
        """,
        [a.complaint_id for a in answers],
        [a.event_id for a in answers],
        [a.stem for a in answers],
        [a.agency for a in answers],
        [a.received_at for a in answers],
        [a.action for a in answers],
    )


async def take_back(db: Connection, actions: Mapping[UUID, UUID]) -> list[Dropped]:
    """Forgets what was taken back, by complaint and action: it never was. Marks the unsent notices of it as untrue."""
    taken = (list(actions.keys()), list(actions.values()))
    await db.execute(
        """
        delete from notifier_answer a using unnest($1::uuid[], $2::uuid[]) w (complaint_id, action)
        where a.complaint_id = w.complaint_id and a.action = w.action
        """,
        *taken,
    )
    rows = await db.fetch(
        """
        update notifier_delivery d
        set untrue = true,
            state = case when leased_by is null then 'superseded' else state end,
            settled_at = case when leased_by is null then clock_timestamp() end
        from unnest($1::uuid[], $2::uuid[]) w (complaint_id, action)
        where d.complaint_id = w.complaint_id and d.occasion = w.action::text and d.state = 'pending' and not d.untrue
        returning d.recipient, d.channel, d.state
        """,
        *taken,
    )
    return [Dropped(row["recipient"], row["channel"]) for row in rows if row["state"] == "superseded"]


# -- sending ----------------------------------------------------------------------------------------------------------


class Room(NamedTuple):
    """How many notices a worker sends at once: in all, to one webhook host, by mail."""

    total: int
    host: int
    mail: int

    def of(self, lane: str) -> int:
        return self.mail if lane == MAIL else self.host


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that this worker alone holds until its lease ends."""

    id: UUID
    complaint_id: UUID
    stem: str
    about: str
    recipient: str
    agency: str | None
    stage: str | None
    channel: Channel
    address: str
    lane: str
    template: str
    facts: Mapping[str, str]
    traceparent: str | None
    attempts: int
    """Those before this one that count."""
    claims: int
    """Fencing token: a worker whose lease ran out cannot overwrite its successor's result."""
    claimed_at: datetime
    """Real time by the database's clock."""
    gone: bool
    """Its address said earlier that nothing may be sent there."""
    overtaken: bool
    """At this moment it says what no longer holds, or what has been answered since."""


class Result(NamedTuple):
    """What to record of one attempt. `wait` seconds from now it is due again, if its state stays pending."""

    id: UUID
    claims: int
    state: str
    result: str
    wait: float
    reference: str
    counts: bool
    gone: str | None


async def claim(
    db: Connection, worker: str, room: Room, busy: Mapping[str, int], lease_seconds: float
) -> list[Claimed]:
    """Takes notices that are due, as many as there is room for with those that are `busy` in each lane. Two workers never
    get the same one; one whose worker died is due again when its lease has ended."""
    rows = await db.fetch(
        """
        with due as materialized (
            select d.id from notifier_lane l
            left join unnest($4::text[], $5::int[]) b (lane, busy) on b.lane = l.lane
            cross join lateral (
                select id, next_attempt_at from notifier_delivery
                where state = 'pending' and lane = l.lane and next_attempt_at <= statement_timestamp()
                order by next_attempt_at
                limit greatest(case l.lane when $7 then $8::int else $3::int end - coalesce(b.busy, 0), 0)
                for update skip locked) d
            order by d.next_attempt_at limit $2)
        update notifier_delivery d
        set leased_by = $1, claims = claims + 1, maybe_told = true,
            next_attempt_at = clock_timestamp() + make_interval(secs => $6)
        from due where d.id = due.id
        returning d.id, complaint_id, stem, about, recipient, agency, stage, channel, address, lane, template, facts,
            traceparent, attempts, claims, clock_timestamp() as claimed_at,
            exists (select from notifier_endpoint_gone g where g.address = d.address) as gone,
            d.untrue or exists (
                select from notifier_answer a where a.complaint_id = d.complaint_id and a.stem = any(d.ended_by)
                    and a.received_at > d.since and (d.holder = 0 or a.agency = d.agency)) as overtaken
        """,
        worker,
        room.total - sum(busy.values()),
        room.host,
        list(busy.keys()),
        list(busy.values()),
        lease_seconds,
        MAIL,
        room.mail,
    )
    return [Claimed(**{**row, "channel": Channel(row["channel"]), "facts": json.loads(row["facts"])}) for row in rows]


async def record(db: Connection, worker: str, results: Sequence[Result]) -> dict[UUID, str]:
    """Writes the outcomes of attempts; answers the state of each notice that was still this worker's. One that became
    untrue while it was being tried ends as superseded unless it was sent."""
    rows = await db.fetch(
        """
        update notifier_delivery d
        set state = case when d.untrue and r.state in ('pending', 'failed') then 'superseded' else r.state end,
            settled_at = case when r.state <> 'pending' or d.untrue then clock_timestamp() end,
            untrue = d.untrue or r.state = 'superseded', result = r.result, reference = r.reference, leased_by = null,
            attempts = d.attempts + r.counts::int,
            maybe_told = r.state <> 'not_wanted' and (r.counts or d.attempts > 0),
            next_attempt_at = clock_timestamp() + make_interval(secs => r.wait)
        from unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::float8[], $7::text[], $8::bool[])
            r (id, claims, state, result, wait, reference, counts)
        where d.id = r.id and d.claims = r.claims and d.leased_by = $1 and d.state = 'pending'
        returning d.id, d.state
        """,
        worker,
        [r.id for r in results],
        [r.claims for r in results],
        [r.state for r in results],
        [r.result for r in results],
        [r.wait for r in results],
        [r.reference for r in results],
        [r.counts for r in results],
    )
    if gone := [r.gone for r in results if r.gone]:
        await db.execute(
            "insert into notifier_endpoint_gone (address) select unnest($1::text[]) on conflict do nothing", gone
        )
    return {row["id"]: row["state"] for row in rows}


async def release(db: Connection, worker: str) -> int:
    """Makes due at once what an earlier process of this name held when it died."""
    done = await db.execute(
        "update notifier_delivery set leased_by = null, next_attempt_at = clock_timestamp()"
        " where state = 'pending' and leased_by = $1",
        worker,
    )
    return int(done.split()[-1])


async def seconds_to_next(db: Connection, full: Sequence[str]) -> float | None:
    """Seconds until the next notice is due in a lane that is not full, 0 when one is, None when none waits."""
    seconds: float | None = await db.fetchval(
        """
        select min(greatest(extract(epoch from d.next_attempt_at - clock_timestamp()), 0))::float8
        from notifier_lane l cross join lateral (
            select next_attempt_at from notifier_delivery
            where state = 'pending' and lane = l.lane order by next_attempt_at limit 1) d
        where l.lane <> all ($1::text[])
        """,
        list(full),
    )
    return seconds


class Waiting(NamedTuple):
    recipient: str
    channel: str
    notices: int
    oldest_seconds: float


async def waiting(db: Connection) -> list[Waiting]:
    """Unsettled notices by audience and channel, with the age of the oldest."""
    rows = await db.fetch(
        """
        select split_part(recipient, ':', 1) as recipient, channel, count(*) as notices,
               extract(epoch from clock_timestamp() - min(created_at))::float8 as oldest
        from notifier_delivery where state = 'pending' group by 1, 2
        """
    )
    return [Waiting(*row) for row in rows]


async def gone_endpoints(db: Connection) -> int:
    return int(await db.fetchval("select count(*) from notifier_endpoint_gone"))


# -- forgetting --------------------------------------------------------------------------------------------------------


async def forget(db: Connection, term: timedelta, last: tuple[datetime, UUID] | None, limit: int) -> Portion:
    """Deletes all notices of the complaints of which nothing has been settled within the term, and nothing waits. All or
    none: who was told of a breach, and how often it was taken back, is counted over all of them.

    (`clock_timestamp` may change from row to row, so that no index can find what is older.)"""
    [row] = await db.fetch(
        """
        with seen as materialized (
            select id, complaint_id, settled_at from notifier_delivery
            where settled_at < statement_timestamp() - $1::interval
                and (settled_at, id) > (coalesce($2::timestamptz, '-infinity'), $3::uuid)
            order by settled_at, id limit $4
        ), silent as (
            select distinct complaint_id from seen s where not exists (
                select from notifier_delivery d where d.complaint_id = s.complaint_id
                    and (d.settled_at is null or d.settled_at >= statement_timestamp() - $1::interval))
        ), gone as (
            delete from notifier_delivery d using silent s where d.complaint_id = s.complaint_id returning 1
        )
        select (select count(*) from gone), (select count(*) from seen), settled_at, id
        from (select 1) one left join lateral (
            select settled_at, id from seen order by settled_at desc, id desc limit 1) newest on true
        """,
        term,
        *(last or (None, UUID(int=0))),
        limit,
    )
    deleted, looked_at, settled_at, newest = row
    return Portion(deleted, (settled_at, newest) if looked_at == limit else None)
