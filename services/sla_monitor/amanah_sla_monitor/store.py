"""Every SQL statement of `sla_monitor`. All are set-based: their number does not grow with the batch."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json

from amanah_chassis.database import Connection
from amanah_sla_monitor.domain.clocks import State
from amanah_sla_monitor.domain.diff import Key, Stored
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.fingerprints import Part
from amanah_sla_monitor.domain.marks import Mark

_STATES = {state.value: state for state in State}
_FIELDS = Stored._fields
_COLUMNS = ", ".join(_FIELDS)
_INSTANTS = ("occurred_at", "received_at", "given_due_at")


class Casefile(NamedTuple):
    """All facts of a complaint, the newest included; `known`: there had been others before."""

    facts: Sequence[Fact]
    known: bool


class Fire(NamedTuple):
    """A key of G4, with the instant that passed unmet."""

    complaint_id: UUID
    stage: str
    holder: int
    deadline_version: int
    due_at: datetime


class Fired(NamedTuple):
    """A mark of a clock that has come, and that the ticker may say."""

    complaint_id: UUID
    stage: str
    holder: int
    rule: str
    rule_version: str
    calendar: str | None
    deadline_version: int
    agency: str | None
    due_at: datetime | None
    source_ref: str | None
    mark: str
    at: datetime


# -- facts ---------------------------------------------------------------------------------------------------------------


async def add_facts(db: Connection, new: Mapping[UUID, Fact]) -> dict[UUID, Casefile]:
    """Adds one fact to each complaint and answers all that is known of it. The rows stay locked until the end of the
    transaction, so of two facts in two transactions the later fold sees both; in one order, so they cannot deadlock."""
    rows = await db.fetch(
        """
        insert into casefile as c (complaint_id, facts)
        select * from unnest($1::uuid[], $2::jsonb[])
        on conflict (complaint_id) do update set facts = c.facts || excluded.facts
        returning complaint_id, case when xmax <> 0 then facts end
        """,
        ids := sorted(new),
        [f"[{encode(new[complaint_id])}]" for complaint_id in ids],
    )
    return {
        complaint_id: Casefile((new[complaint_id],), False)
        if facts is None
        else Casefile([decode(fact) for fact in from_json(facts)], True)
        for complaint_id, facts in rows
    }


async def facts_of(db: Connection, complaint_id: UUID) -> list[Fact] | None:
    """Everything known of one complaint; None when it is unknown here."""
    facts = await db.fetchval("select facts from casefile where complaint_id = $1", complaint_id)
    return None if facts is None else [decode(fact) for fact in from_json(facts)]


async def seqs_of(db: Connection, source: str, actions: Mapping[UUID, UUID]) -> dict[UUID, int]:
    """The number of the fact by which each action came from `source`; by complaint, one action each."""
    rows = await db.fetch(
        """
        select c.complaint_id, (f ->> 'seq')::bigint
        from unnest($1::uuid[], $2::text[]) u(complaint_id, action)
        join casefile c using (complaint_id), jsonb_array_elements(c.facts) f
        where f ->> 'action' = u.action and f ->> 'source' = $3
        """,
        list(actions),
        [str(action) for action in actions.values()],
        source,
    )
    return dict(map(tuple, rows))


def encode(fact: Fact) -> str:
    """A fact as JSON, without what it does not have."""
    stored: dict[str, Any] = {}
    for name, value in zip(Fact._fields, fact, strict=True):
        if value is not None:
            stored[name] = value.isoformat() if isinstance(value, datetime) else value
    return json.dumps(stored)


def decode(stored: dict[str, Any]) -> Fact:
    for name in _INSTANTS:
        if name in stored:
            stored[name] = datetime.fromisoformat(stored[name])
    return Fact(**stored)


# -- clocks --------------------------------------------------------------------------------------------------------------


async def deadlines(db: Connection, complaint_ids: Collection[UUID], *, lock: bool) -> dict[UUID, dict[Key, Stored]]:
    """The stored clocks of some complaints; locked, the ticker passes them over until the end of the transaction."""
    rows = await db.fetch(
        f"select complaint_id, {_COLUMNS} from deadline where complaint_id = any($1)"  # noqa: S608 - our own names
        + (" order by complaint_id, stage, holder for update" if lock else ""),
        list(complaint_ids),
    )
    found: dict[UUID, dict[Key, Stored]] = {}
    for complaint_id, *values in rows:
        values[_STATE] = _STATES[values[_STATE]]
        values[_MARKS] = _read_marks(values[_MARKS])
        stored = Stored(*values)
        found.setdefault(complaint_id, {})[stored.stage, stored.holder] = stored
    return found


class Overtaken(Exception):
    """The ticker has moved a clock on since it was read, so what is known of it is no longer so."""


async def save(db: Connection, changed: Sequence[tuple[UUID, Stored]]) -> None:
    """Stores new and changed clocks."""
    if changed:
        await db.execute(_SAVE, *_columns_of(changed, len(_FIELDS)))


async def save_unless_overtaken(
    db: Connection, changed: Sequence[tuple[UUID, Stored]], told: Mapping[UUID, Mapping[Key, Stored]]
) -> None:
    """Stores new and changed clocks that were read without a lock. The case files are locked, so only the ticker may have
    been at one, and it never leaves `next_fire_at` as it was. Raises Overtaken."""
    new, known = list[tuple[UUID, Stored]](), defaultdict[int, list[_AsRead]](list)
    for complaint_id, row in changed:
        before = told.get(complaint_id, {}).get((row.stage, row.holder))
        if before is None:
            new.append((complaint_id, row))
        else:
            width = next(width for width in _AS_READ if row[width:] == before[width:])
            known[width].append((before.next_fire_at, complaint_id, row))
    await save(db, new)
    for width, rows in known.items():
        await _save_as_read(db, rows, width)


_AsRead = tuple[datetime | None, UUID, Stored]
"""A clock to be stored if its `next_fire_at` is still this one."""


async def _save_as_read(db: Connection, rows: Sequence[_AsRead], width: int) -> None:
    """Stores the first so many fields of each; the others are as they were."""
    columns = _columns_of([(complaint_id, row) for _, complaint_id, row in rows], width)
    done = await db.execute(_AS_READ[width], [was for was, _, _ in rows], *columns)
    if int(done.rpartition(" ")[2]) < len(rows):
        raise Overtaken


def _columns_of(clocks: Sequence[tuple[UUID, Stored]], width: int) -> list[Any]:
    columns: list[Any] = list(zip(*(stored[:width] for _, stored in clocks), strict=True))
    if width > _MARKS:
        columns[_MARKS] = [_write_marks(marks) for marks in columns[_MARKS]]
    return [[complaint_id for complaint_id, _ in clocks], *columns]


@lru_cache(maxsize=8192)
def _write_marks(marks: tuple[Mark, ...]) -> str | None:
    """Kept, as is what is read: the clocks of an agency that began on one day have the same marks."""
    return json.dumps([(mark.at.isoformat(), mark.name) for mark in marks]) if marks else None


@lru_cache(maxsize=8192)
def _read_marks(marks: str | None) -> tuple[Mark, ...]:
    return tuple(Mark(datetime.fromisoformat(at), name) for at, name in json.loads(marks)) if marks else ()


_STATE, _MARKS = _FIELDS.index("state"), _FIELDS.index("marks")
_KINDS = {
    "holder": "int",
    "deadline_version": "int",
    "marks": "jsonb",
    **dict.fromkeys(("due_at", "next_fire_at", "started_at", "ended_at"), "timestamptz"),
}
_TYPES = [_KINDS.get(name, "text") for name in _FIELDS]
_SAVE = f"""
    insert into deadline (complaint_id, {_COLUMNS})
    select * from unnest($1::uuid[], {", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES, 2))})
    on conflict (complaint_id, stage, holder) do update
    set {", ".join(f"{name} = excluded.{name}" for name in _FIELDS if name not in ("stage", "holder"))}
"""  # noqa: S608 - built from the names above


def _as_read(width: int) -> str:
    """Updates the first so many fields of clocks that nobody has moved on since they were read."""
    names, kinds = _FIELDS[:width], enumerate(_TYPES[:width], 3)
    return f"""
        update deadline d set {", ".join(f"{name} = u.{name}" for name in names if name not in ("stage", "holder"))}
        from unnest($1::timestamptz[], $2::uuid[], {", ".join(f"${n}::{kind}[]" for n, kind in kinds)})
          as u (was, complaint_id, {", ".join(names)})
        where d.complaint_id = u.complaint_id and d.stage = u.stage and d.holder = u.holder
          and d.next_fire_at is not distinct from u.was
    """  # noqa: S608 - built from the names above


_AS_READ = {width: _as_read(width) for width in (*map(_FIELDS.index, ("deadline_version", "agency")), len(_FIELDS))}
"""By how many fields may differ. Of most clocks that a new calendar does not move only its version does, a third of the
bytes; of most that it moves, nothing behind the marks."""


# -- firing --------------------------------------------------------------------------------------------------------------


async def fire(db: Connection, fires: Sequence[Fire], detected_at: datetime) -> set[tuple[UUID, str, int]]:
    """Takes the right to say each breach; answers those that nobody has taken before."""
    rows = await db.fetch(
        """
        insert into fired (complaint_id, stage, holder, deadline_version, threshold, due_at, detected_at)
        select c, s, h, v, 'due', d, $6
        from unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::timestamptz[]) u(c, s, h, v, d)
        on conflict (complaint_id, stage, holder, deadline_version, threshold) do update
        set withdrawn_at = null, due_at = excluded.due_at, detected_at = excluded.detected_at
        where fired.withdrawn_at is not null
        returning complaint_id, stage, holder
        """,
        *(list(column) for column in zip(*fires, strict=True)),
        detected_at,
    )
    return {(row[0], row[1], row[2]) for row in rows}


async def withdraw(db: Connection, withdrawn: Sequence[Fire], at: datetime) -> None:
    """Marks breaches that did not happen after all, and with them whatever was escalated of them."""
    await db.execute(
        """
        update fired f set withdrawn_at = $5
        from unnest($1::uuid[], $2::text[], $3::int[], $4::int[]) u(c, s, h, v)
        where (f.complaint_id, f.stage, f.holder, f.deadline_version) = (c, s, h, v)
          and (f.threshold = 'due' or f.threshold like 'escalation/%')
        """,
        *(list(column) for column in list(zip(*withdrawn, strict=True))[:4]),
        at,
    )


async def fire_due(db: Connection, come: datetime, detected_at: datetime, limit: int) -> list[Fired]:
    """Claims up to `limit` clocks with a mark until `come` that nobody else holds, and moves each on to its next mark.
    Answers, in the order of their instants, the marks not said before: of a clock that has run out its breach and the levels
    reached since; of one that runs its warnings."""
    rows = await db.fetch(
        """
        with due as materialized (
            select complaint_id, stage, holder, next_fire_at as since from deadline
            where next_fire_at <= $1 order by next_fire_at limit $2
            for update skip locked
        ), claimed as (
            update deadline d
            set state = case when d.state in ('running', 'paused') and d.due_at <= $1 then 'breached' else d.state end,
                next_fire_at = (select min((m ->> 0)::timestamptz) from jsonb_array_elements(d.marks) m
                                where (m ->> 0)::timestamptz > $1)
            from due u where d.complaint_id = u.complaint_id and d.stage = u.stage and d.holder = u.holder
            returning d.complaint_id, d.stage, d.holder, d.rule, d.rule_version, d.calendar, d.deadline_version, d.agency,
                      d.due_at, d.source_ref, d.marks, d.state, u.since
        ), come as (
            select complaint_id, stage, holder, rule, rule_version, calendar, deadline_version, agency, due_at, source_ref,
                   'due' as mark, due_at as at
            from claimed where due_at >= since and due_at <= $1
            union all
            select complaint_id, stage, holder, rule, rule_version, calendar, deadline_version, agency, due_at, source_ref,
                   m ->> 1, (m ->> 0)::timestamptz
            from claimed, jsonb_array_elements(marks) m
            where (m ->> 0)::timestamptz between since and $1
              and case split_part(m ->> 1, '/', 1)
                  when 'escalation' then state = 'breached'
                  when 'at_risk' then state <> 'breached'
                  else false end
        ), won as (
            insert into fired (complaint_id, stage, holder, deadline_version, threshold, due_at, detected_at)
            select complaint_id, stage, holder, deadline_version, split_part(mark, '|', 1), at, $3 from come
            on conflict (complaint_id, stage, holder, deadline_version, threshold) do update
            set withdrawn_at = null, due_at = excluded.due_at, detected_at = excluded.detected_at
            where fired.withdrawn_at is not null
            returning complaint_id, stage, holder, threshold
        )
        -- `is true` makes it look each up in a hash of the won. The planner counts on one row, and would join by comparing
        -- each with each: 4,000,000 times for 2000 rows.
        select * from come
        where ((complaint_id, stage, holder, split_part(mark, '|', 1))
               in (select complaint_id, stage, holder, threshold from won)) is true
        order by at, mark
        """,
        come,
        limit,
        detected_at,
    )
    return [Fired(*row) for row in rows]


async def next_fire_at(db: Connection) -> tuple[datetime | None, datetime]:
    """The earliest instant at which a clock wants to be looked at, and up to which time is settled."""
    [row] = await db.fetch(
        "select (select next_fire_at from deadline where next_fire_at is not null order by next_fire_at limit 1),"
        " chassis_settled()"
    )
    return row[0], row[1]


# -- gaps ----------------------------------------------------------------------------------------------------------------


async def first_gaps(db: Connection, gaps: Sequence[tuple[UUID, int]], now: datetime) -> set[tuple[UUID, int]]:
    """Takes the right to say that a holder of a complaint has no clock at all; answers those of whom nobody has said it,
    neither this nor the second pair of eyes."""
    rows = await db.fetch(
        """
        insert into published_gap (complaint_id, reason, stage, holder, due_at, published_at)
        select c, 'no_rule', '', h, '1900-01-01Z', $3 from unnest($1::uuid[], $2::int[]) u(c, h)
        on conflict do nothing
        returning complaint_id, holder
        """,
        [complaint_id for complaint_id, _ in gaps],
        [holder for _, holder in gaps],
        now,
    )
    return {(row[0], row[1]) for row in rows}


# -- law -----------------------------------------------------------------------------------------------------------------


async def law_in_force(db: Connection, *, hold: bool) -> str:
    """The fingerprint of the law applied last; held, no other is applied before the end of the transaction."""
    fingerprint: str = await db.fetchval("select fingerprint from law" + " for share" * hold)  # noqa: S608
    return fingerprint


async def first_law(db: Connection, fingerprint: str) -> str:
    """Puts the first law of a deployment in force; answers the one that is."""
    await db.execute(
        "insert into law (fingerprint, applied_at) values ($1, chassis_now()) on conflict do nothing",
        fingerprint,
    )
    return await law_in_force(db, hold=False)


async def put_in_force(db: Connection, fingerprint: str) -> None:
    """Waits for whoever folds by the law before; tells every process at commit."""
    await db.execute("update law set fingerprint = $1, applied_at = chassis_now()", fingerprint)
    await db.execute("select pg_notify('sla_monitor_law', '')")


async def note_parts(db: Connection, parts: Mapping[Part, str]) -> list[Part]:
    """Keeps the fingerprint of each version of a rule or calendar; answers those that had another one before."""
    await db.execute(
        """
        insert into law_part (kind, id, version, fingerprint, since)
        select *, chassis_now() from unnest($1::text[], $2::text[], $3::text[], $4::text[])
        on conflict do nothing
        """,
        *_columns(parts),
    )
    return await changed_parts(db, parts)


async def changed_parts(db: Connection, parts: Mapping[Part, str]) -> list[Part]:
    """Versions of rules or calendars that once had another fingerprint."""
    rows = await db.fetch(
        """
        select kind, id, version from law_part
        join unnest($1::text[], $2::text[], $3::text[], $4::text[]) now(kind, id, version, fingerprint)
        using (kind, id, version)
        where law_part.fingerprint <> now.fingerprint order by 1, 2, 3
        """,
        *_columns(parts),
    )
    return [tuple(row) for row in rows]


def _columns(parts: Mapping[Part, str]) -> list[list[str]]:
    return [[part[n] for part in parts] for n in range(3)] + [list(parts.values())]


async def keep_law(db: Connection, fingerprint: str, files: Mapping[str, str], parts: Sequence[str]) -> None:
    """Keeps the files of a law that comes into force."""
    await db.execute(
        "insert into law_text values ($1, chassis_now(), $2, $3) on conflict do nothing",
        fingerprint,
        json.dumps(files),
        parts,
    )


async def law_with(db: Connection, parts: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """Fingerprint and files of the latest law that holds these versions."""
    row = await db.fetchrow(
        "select fingerprint, files from law_text where parts @> $1::text[] order by applied_at desc limit 1", parts
    )
    return None if row is None else (row["fingerprint"], json.loads(row["files"]))


_END_OF_STRETCH = """
    select complaint_id from (select complaint_id from casefile where complaint_id > $1 order by complaint_id limit $2) c
    order by complaint_id desc limit 1
    """
_UNFINISHED = """
    select complaint_id, facts from casefile c
    cross join lateral (select count(*) as all, count(*) filter (where d.state in ('running', 'paused')) as open
                        from deadline d where d.complaint_id = c.complaint_id) told
    where complaint_id > $1 and complaint_id <= $2 and (told.open > 0 or told.all = 0)
    order by complaint_id limit $3
    """
"""By looking for the clocks of each case. Asked whether they exist, the server gathers those of all cases, each time."""
_UNFINISHED_LOCKED = _UNFINISHED + "for update of c"


async def end_of_stretch(db: Connection, after: UUID, limit: int) -> UUID | None:
    """The last of the next `limit` complaints, finished or not, in the order of their ids; None: there is none after it."""
    upto: UUID | None = await db.fetchval(_END_OF_STRETCH, after, limit)
    return upto


async def unfinished(db: Connection, after: UUID, upto: UUID, limit: int, *, lock: bool) -> dict[UUID, list[Fact]]:
    """All facts of the first complaints between these ids, in their order, that have a clock that runs or none at all."""
    rows = await db.fetch(_UNFINISHED_LOCKED if lock else _UNFINISHED, after, upto, limit)
    return {complaint_id: [decode(fact) for fact in from_json(known)] for complaint_id, known in rows}


async def wake_tickers(db: Connection) -> None:
    """Tells the tickers of all processes, at commit, that an instant comes sooner than they know."""
    await db.execute("select pg_notify('sla_monitor_ticker', '')")


async def tell_behind(db: Connection) -> None:
    """Tells all processes, at commit, that facts of the past lie unread: none of them knows whose."""
    await db.execute("select pg_notify('sla_monitor_behind', '')")
