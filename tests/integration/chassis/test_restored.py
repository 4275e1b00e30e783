"""A database restored to an earlier time: no number means two events, and what is said again is not sent a second time."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.support.ledger_outbox import emit, sent
from tests.support.ledger_service import DAY, Ledger, read_all

from amanah.recovery import published
from amanah_chassis import restored

LATER = DAY.replace(hour=11)


def told(ledger: Ledger) -> list[tuple[str, int, str]]:
    """Id, number and label of each record."""
    return [
        (dict(m.headers())["ce_id"].decode(), int(dict(m.headers())["ce_sequence"]), json.loads(m.value())["label"])
        for m in read_all(ledger.kafka, ledger.topic)
    ]


async def go_back(ledger: Ledger, subject: UUID, keep: int) -> None:
    """As a database that was restored: it knows the first `keep` events of this subject."""
    await ledger.rows("delete from chassis_outbox where subject = $1 and seq > $2", subject, keep)
    await ledger.rows("update chassis_stream set seq = $2 where subject = $1", subject, keep)
    if not keep:
        await ledger.rows("delete from chassis_stream where subject = $1", subject)


@asynccontextmanager
async def noted(ledger: Ledger, dsn: str) -> AsyncIterator[asyncpg.Connection]:
    db = await asyncpg.connect(dsn)
    try:
        await published.note({"tests": db}, ledger.kafka, [ledger.topic], whole=True)
        yield db
    finally:
        await db.close()


async def put_back(ledger: Ledger, dsn: str) -> int:
    async with noted(ledger, dsn) as db, db.transaction():
        return await restored.put_back(db, ledger.topic)


async def test_what_kafka_has_and_the_database_lost_is_listed_and_put_back(ledger: Ledger, database: str) -> None:
    known, half, unknown = uuid4(), uuid4(), uuid4()
    for subject in (known, half, unknown):
        await emit(ledger, subject, "a", "b", "c")
    await sent(ledger)
    before = await ledger.rows(
        "select event_id, topic, subject, type, seq, value, created_at from chassis_outbox order by 3, 5"
    )
    await go_back(ledger, half, 1)
    await go_back(ledger, unknown, 0)
    async with noted(ledger, database) as db:
        lost = await restored.lacking(db)
        of = {subject: [event.seq for event in lost if event.subject == subject] for subject in (known, half, unknown)}
        assert of == {known: [], half: [2, 3], unknown: [1, 2, 3]}
        assert await restored.behind(db, ledger.topic) == 2
        assert await restored.reused(db) == []
    assert await put_back(ledger, database) == 5
    after = await ledger.rows(
        "select event_id, topic, subject, type, seq, value, created_at from chassis_outbox order by 3, 5"
    )
    assert after == before
    assert await put_back(ledger, database) == 0
    async with noted(ledger, database) as db:
        assert (await restored.lacking(db), await restored.behind(db, ledger.topic)) == ([], 0)


async def test_without_that_a_number_means_two_events_and_the_list_names_it(ledger: Ledger, database: str) -> None:
    subject = uuid4()
    await emit(ledger, subject, "a", "b")
    await sent(ledger)
    first = told(ledger)[1][0]
    await go_back(ledger, subject, 1)
    await emit(ledger, subject, "another")
    await sent(ledger)
    async with noted(ledger, database) as db:
        [found] = await restored.reused(db)
    assert (found.seq, str(found.in_kafka)) == (2, first)
    assert [seq for _, seq, _ in told(ledger)] == [1, 2, 2]


async def test_what_is_said_again_is_not_sent_again_and_new_events_go_on_behind(ledger: Ledger, database: str) -> None:
    subject, other = uuid4(), uuid4()
    await emit(ledger, subject, "a", "b", "b", "c")
    await sent(ledger)
    before = told(ledger)
    await go_back(ledger, subject, 1)
    await put_back(ledger, database)
    await emit(ledger, subject, "b", at=LATER)  # found out later than the first time
    await emit(ledger, subject, "b", "new", "c", at=LATER)
    await emit(ledger, other, "b")
    await sent(ledger)
    after = told(ledger)
    assert after[:4] == before
    assert [(seq, label) for _, seq, label in after[4:]] == [(5, "new"), (1, "b")]
    assert await ledger.rows("select * from chassis_restored") == []
    await emit(ledger, subject, "b")  # said once too often: this one is new
    await sent(ledger)
    assert [(seq, label) for _, seq, label in told(ledger)[6:]] == [(6, "b")]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ],
)
def test_what_was_not_known_yet_contradicts_nothing(one: dict[str, int], other: dict[str, int], same: bool) -> None:
    assert restored.compatible(one, other) == same


async def test_what_is_not_said_again_is_listed_until_it_is_given_up(ledger: Ledger, database: str) -> None:
    subject = uuid4()
    await emit(ledger, subject, "a", "b")
    await sent(ledger)
    await go_back(ledger, subject, 0)
    await put_back(ledger, database)
    await emit(ledger, subject, "a")
    db = await asyncpg.connect(database)
    [left] = await restored.unexplained(db)
    assert left.seq == 2
    assert await restored.forget(db) == 1
    await db.close()
    await emit(ledger, subject, "b")
    assert [row[0] for row in await ledger.rows("select seq from chassis_outbox order by seq")] == [1, 2, 3]


async def test_an_event_that_kafka_had_and_the_backup_calls_unsent_is_not_sent_twice(
    ledger: Ledger, database: str
) -> None:
    subject = uuid4()
    await emit(ledger, subject, "a", "b")
    await sent(ledger)
    await ledger.rows("update chassis_outbox set sent_at = null")
    assert await put_back(ledger, database) == 0
    await sent(ledger)
    assert [seq for _, seq, _ in told(ledger)] == [1, 2]


async def test_what_retention_took_is_not_missed(ledger: Ledger, database: str) -> None:
    subject = uuid4()
    await emit(ledger, subject, "a", "b")
    await sent(ledger)
    await ledger.rows("delete from chassis_outbox where seq = 1")
    await ledger.rows("insert into chassis_pruned values ('chassis_outbox', clock_timestamp())")
    async with noted(ledger, database) as db:
        assert await restored.lacking(db) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "at": "2026-01-05T09:00:00Z"}, {"at": "2026-01-05T10:00:00Z", "a": 1}, True),
        ({"a": 1, "at": "2026-01-05T09:00:00Z"}, {"a": 2, "at": "2026-01-05T09:00:00Z"}, False),
        ({"a": [{"at": "2026-01-05T09:00:00+08:00", "b": "T"}]}, {"a": [{"b": "T"}]}, True),
        ({"a": "2026-01-05"}, {"a": "2026-01-06"}, False),
        ({"a": "2026-01-05T09:00:00"}, {"a": "2026-01-05T10:00:00"}, False),
    ],
)
def test_content_is_what_is_said_whenever_it_is_found_out(one: object, other: object, same: bool) -> None:
    assert (restored.content(json.dumps(one).encode()) == restored.content(json.dumps(other).encode())) == same
