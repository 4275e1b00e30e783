"""A database of the release before: nothing in it is lost, and that release goes on working until it is replaced."""

import hashlib
from datetime import UTC, datetime
from importlib import resources
from uuid import UUID, uuid4

import asyncpg
import pytest

from amanah_chassis.database import migrate

FIRST = "0001_casework.sql"
AT = datetime(2026, 3, 16, 1, 0, tzinfo=UTC)


async def as_the_first_release_left_it(database: str) -> UUID:
    sql, complaint = (resources.files("amanah_casework") / "migrations" / FIRST).read_text(), uuid4()
    await migrate(database, ("amanah_chassis",))
    db = await asyncpg.connect(database)
    await db.execute(sql)
    await db.execute(
        "insert into chassis_migration (name, sha256) values ($1, $2)",
        *(f"amanah_casework/{FIRST}", hashlib.sha256(sql.encode()).hexdigest()),
    )
    await assign(db, complaint)
    await do(db, complaint, "1")
    await db.close()
    return complaint


async def assign(db: asyncpg.Connection, complaint: UUID) -> None:
    await db.execute(
        'insert into "case" (complaint_id, agency, assignment, state, category, visibility, submitted_at, assigned_at,'
        " changed_at) values ($1, 'dot', 1, 'assigned', 'Street Condition', 'open', $2, $2, $2)",
        *(complaint, AT),
    )


async def do(db: asyncpg.Connection, complaint: UUID, order_id: str) -> None:
    """As the first release writes it, column for column."""
    columns = ("complaint_id", "agency", "order_id", "verb", "outcome", "detail", "occurred_at", "received_at")
    row = (complaint, "dot", order_id, "reply", "done", None, AT, AT)
    await db.copy_records_to_table("action", records=[row], columns=columns)
    await db.execute("update \"case\" set state = 'replied' where complaint_id = $1", complaint)


async def test_a_case_may_wait_and_the_release_before_goes_on(database: str) -> None:
    before = await as_the_first_release_left_it(database)
    done = await migrate(database, ("amanah_chassis", "amanah_casework"))
    assert done == ["amanah_casework/0002_waiting.sql"]
    db = await asyncpg.connect(database)
    checked = "select convalidated from pg_constraint where conname = 'case_state_check'"
    assert (
        await db.fetchval(checked) is False
    )  # no row was read for it: the lock was held for a moment, however many there are
    after = uuid4()
    await assign(db, after)
    for complaint in (before, after):
        await do(db, complaint, "2")
    counted = await db.fetch("select complaint_id, count(*), count(assignment) from action group by 1")
    assert {tuple(row) for row in counted} == {(before, 2, 0), (after, 1, 0)}
    await db.execute("update \"case\" set state = 'waiting'")
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute("update \"case\" set state = 'lost'")
    await db.close()
