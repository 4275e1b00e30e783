"""Every SQL statement of `casework`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from amanah_casework.domain import LOOKING_BACK, Case, Deed, Order, Verb
from amanah_chassis.database import Connection

_COLUMNS = tuple(Case.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Action:
    """A row of `action`: an order and what came of it (`done`, or the reason of its refusal). `assignment`: in which one it
    was carried out."""

    complaint_id: UUID
    agency: str
    order_id: str
    verb: str
    outcome: str
    detail: str | None
    occurred_at: datetime
    received_at: datetime
    assignment: int | None


_ACTION = tuple(Action.__dataclass_fields__)


async def assign(db: Connection, cases: Sequence[Case], now: datetime) -> None:
    """Opens cases, or hands them to the next holder; an assignment older than the one known changes nothing."""
    await db.execute(
        """
        insert into "case" as c
            (complaint_id, agency, assignment, state, category, region, visibility, narrative, source_ref,
             submitted_at, assigned_at, changed_at)
        select u.*, $12 from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[],
                                    $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[]) u
        on conflict (complaint_id) do update set
            agency = excluded.agency, assignment = excluded.assignment, state = excluded.state,
            assigned_at = excluded.assigned_at, changed_at = excluded.changed_at
        where c.assignment < excluded.assignment
        """,
        *([getattr(case, column) for case in cases] for column in _COLUMNS),
        now,
    )


async def load(db: Connection, complaint_ids: Collection[UUID]) -> dict[UUID, Case]:
    """The cases known among those asked for, locked until the end of the transaction."""
    rows = await db.fetch(
        f'select {", ".join(_COLUMNS)} from "case" where complaint_id = any($1) order by complaint_id for update',  # noqa: S608
        list(complaint_ids),
    )
    return {row["complaint_id"]: Case(**dict(row)) for row in rows}


async def save_states(db: Connection, cases: Sequence[Case], now: datetime) -> None:
    await db.execute(
        """
        update "case" c set state = u.state, changed_at = $3
        from unnest($1::uuid[], $2::text[]) u (complaint_id, state) where c.complaint_id = u.complaint_id
        """,
        [case.complaint_id for case in cases],
        [case.state for case in cases],
        now,
    )


async def done_before(db: Connection, orders: Sequence[Order]) -> list[Order]:
    """Which of these have been carried out or refused before: the same id, from the same agency, for the same deed."""
    rows = await db.fetch(
        """
        select n - 1 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
            with ordinality u (complaint_id, agency, verb, order_id, n)
        join action using (complaint_id, agency, verb, order_id)
        """,
        [order.complaint_id for order in orders],
        [order.agency for order in orders],
        [order.verb.value for order in orders],
        [order.id for order in orders],
    )
    return [orders[row[0]] for row in rows]


async def add_actions(db: Connection, actions: Sequence[Action]) -> None:
    await db.copy_records_to_table(
        "action", records=[tuple(getattr(a, column) for column in _ACTION) for a in actions], columns=_ACTION
    )


async def deeds_of(db: Connection, orders: Sequence[Order]) -> dict[UUID, list[Deed]]:
    """What the holders of these cases did with them, ever, the oldest first; for cases that `load` has locked, and only for
    orders that ask for it: most do not."""
    complaint_ids = [order.complaint_id for order in orders if order.verb in LOOKING_BACK]
    if not complaint_ids:
        return {}
    # The release before said of no deed in which assignment it was done: this one, if it has come since this one began.
    rows = await db.fetch(
        """
        select a.complaint_id, a.order_id, a.verb, coalesce(
            a.assignment, case when c.assignment = 1 or a.received_at >= c.assigned_at then c.assignment else 0 end
        ) as assignment
        from action a join "case" c using (complaint_id, agency)
        where c.complaint_id = any($1) and a.complaint_id = any($1) and a.outcome = 'done' order by a.id
        """,
        complaint_ids,
    )
    found: dict[UUID, list[Deed]] = {}
    for row in rows:
        found.setdefault(row["complaint_id"], []).append(Deed(row["order_id"], Verb(row["verb"]), row["assignment"]))
    return found


async def actions_of(db: Connection, complaint_id: UUID) -> list[Action]:
    rows = await db.fetch(f"select {', '.join(_ACTION)} from action where complaint_id = $1 order by id", complaint_id)  # noqa: S608
    return [Action(**dict(row)) for row in rows]


async def held_by(db: Connection, agency: str, states: Collection[str], limit: int) -> list[Case]:
    """An agency's cases in these states, the oldest assignment first."""
    rows = await db.fetch(
        f'select {", ".join(_COLUMNS)} from "case" where agency = $1 and state = any($2) order by assigned_at limit $3',  # noqa: S608
        agency,
        list(states),
        limit,
    )
    return [Case(**dict(row)) for row in rows]
