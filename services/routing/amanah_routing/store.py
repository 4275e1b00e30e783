"""Every SQL statement of `routing`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from amanah_chassis.database import Connection


@dataclass(frozen=True, slots=True)
class Complaint:
    """A row of `complaint`."""

    complaint_id: UUID
    state: str
    agency: str | None
    assignment: int
    refused_by: Sequence[str]
    reason: str
    category: str
    classification: str | None
    region: str | None
    agency_named: str | None
    visibility: str
    narrative: str | None
    source_ref: str | None
    submitted_at: datetime
    given_due_at: datetime | None


_COLUMNS = tuple(Complaint.__dataclass_fields__)
_values = attrgetter(*_COLUMNS)


async def add(db: Connection, complaints: Sequence[Complaint], now: datetime) -> None:
    """Stores new complaints."""
    await db.copy_records_to_table(
        "complaint",
        records=[(*_values(c), now) for c in complaints],
        columns=(*_COLUMNS, "changed_at"),
    )


async def load(db: Connection, complaint_ids: Collection[UUID]) -> dict[UUID, Complaint]:
    """The complaints known among those asked for, locked until the end of the transaction."""
    rows = await db.fetch(
        f"select {', '.join(_COLUMNS)} from complaint where complaint_id = any($1) order by complaint_id for update",  # noqa: S608
        list(complaint_ids),
    )
    return {row["complaint_id"]: Complaint(**dict(row)) for row in rows}


async def save(db: Connection, complaints: Sequence[Complaint], now: datetime) -> None:
    """Records who holds them now."""
    await db.executemany(
        """
        update complaint set state = $2, agency = $3, assignment = $4, refused_by = $5, reason = $6, changed_at = $7
        where complaint_id = $1
        """,
        [(c.complaint_id, c.state, c.agency, c.assignment, list(c.refused_by), c.reason, now) for c in complaints],
    )


async def in_triage(db: Connection, limit: int) -> list[Complaint]:
    """Those that wait for a person, oldest first."""
    rows = await db.fetch(
        f"select {', '.join(_COLUMNS)} from complaint where state = 'triage' order by submitted_at limit $1",  # noqa: S608
        limit,
    )
    return [Complaint(**dict(row)) for row in rows]
