"""The clock in the database: real, or virtual from the first moment on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from tests.support.ledger_service import at_work, prepare, record
from tests.support.stack import Embedded

from amanah_chassis.batch import Origin
from amanah_chassis.clock import Clock
from amanah_chassis.database import open_pool

START = datetime(2018, 3, 1, 8, tzinfo=UTC)
NOON = START + timedelta(hours=4)


@pytest.fixture
async def dsn(database: str) -> str:
    await prepare(database)
    return database


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def virtual(db: asyncpg.Connection, start: datetime = START, rate: float = 0) -> None:
    await db.execute("select chassis_clock_virtual($1, $2)", start, rate)


async def step(db: asyncpg.Connection, target: datetime) -> datetime:
    """Steps now; answers the real instant from which the new virtual one counts."""
    since = await db.fetchval("select clock_timestamp()")
    await db.execute("select chassis_clock_step($1, $2)", since, target)
    return since


async def reading(db: asyncpg.Connection) -> tuple[datetime, datetime]:
    [row] = await db.fetch("select chassis_now(), chassis_settled()")
    return row[0], row[1]


async def test_without_a_virtual_clock_time_is_the_databases(db: asyncpg.Connection) -> None:
    before = await db.fetchval("select clock_timestamp()")
    now, settled = await reading(db)
    after = await db.fetchval("select clock_timestamp()")
    assert before <= now <= after
    assert before <= settled <= after


async def test_a_standing_clock_stands_until_it_is_stepped_and_settles_when_told(db: asyncpg.Connection) -> None:
    await virtual(db)
    assert await reading(db) == (START, START)
    await step(db, NOON)
    assert await reading(db) == (NOON, START)
    await db.execute("select chassis_clock_settle()")
    assert await reading(db) == (NOON, NOON)


async def test_a_running_clock_runs_at_its_rate(db: asyncpg.Connection) -> None:
    await virtual(db, rate=3600)
    real_from = await db.fetchval("select real_from from chassis_clock")
    at = await db.fetchval("select chassis_at($1)", real_from + timedelta(seconds=2))
    assert at == START + timedelta(hours=2)


async def test_an_instant_of_the_broker_keeps_the_virtual_time_of_its_moment(db: asyncpg.Connection) -> None:
    await virtual(db)
    first = await db.fetchval("select clock_timestamp()")
    second = await step(db, NOON)
    third = await step(db, NOON + timedelta(days=1))
    asked = [first, second, third - timedelta(microseconds=1), third]
    assert [await db.fetchval("select chassis_at($1)", instant) for instant in asked] == [
        START,
        NOON,
        NOON,
        NOON + timedelta(days=1),
    ]


async def test_live_data_forbids_a_virtual_clock(dsn: str, db: asyncpg.Connection, embedded: Embedded) -> None:
    topic = embedded.topic()
    async with at_work(embedded.kafka, dsn, topic) as ledger:
        await ledger.consumer.apply([record(topic, uuid4(), 1, "live")])
    with pytest.raises(asyncpg.RaiseError, match="live data"):
        await virtual(db)
    assert await db.fetchval("select count(*) from chassis_clock") == 0


async def test_a_clock_is_given_once(db: asyncpg.Connection) -> None:
    await virtual(db)
    with pytest.raises(asyncpg.RaiseError, match="already"):
        await virtual(db, NOON)


async def test_a_clock_does_not_run_backwards(db: asyncpg.Connection) -> None:
    await virtual(db)
    await step(db, NOON)
    with pytest.raises(asyncpg.RaiseError, match="backwards"):
        await step(db, NOON - timedelta(microseconds=1))
    assert (await reading(db))[0] == NOON


async def test_a_step_does_not_reach_into_what_has_been_stamped(db: asyncpg.Connection) -> None:
    """A step dated before the one in force would give records that are there already another time."""
    await virtual(db)
    since = await step(db, NOON)
    with pytest.raises(asyncpg.PostgresError):
        await db.execute("select chassis_clock_step($1, $2)", since - timedelta(seconds=1), NOON + timedelta(days=1))
    assert (await reading(db))[0] == NOON


@pytest.mark.parametrize("rate", [None, 60.0])
async def test_only_a_standing_virtual_clock_is_stepped(rate: float | None, db: asyncpg.Connection) -> None:
    if rate:
        await virtual(db, rate=rate)
    with pytest.raises(asyncpg.RaiseError, match="standing"):
        await step(db, datetime(2030, 1, 1, tzinfo=UTC))


async def test_deliveries_carry_virtual_time(dsn: str, db: asyncpg.Connection, embedded: Embedded) -> None:
    await virtual(db)
    topic = embedded.topic()
    async with at_work(embedded.kafka, dsn, topic) as ledger:
        subject = uuid4()
        early = record(topic, subject, 1, "early")
        await ledger.consumer.apply([_stamped(early, await db.fetchval("select clock_timestamp()"))])
        since = await step(db, NOON)
        await ledger.consumer.apply([_stamped(record(topic, subject, 2, "late", 1), since)])
        rows = await ledger.rows("select label, at from effect order by id")
    assert [tuple(row) for row in rows] == [("early", START), ("late", NOON)]


async def test_waiting_ends_with_a_nudge_an_instant_or_a_settled_step(dsn: str, db: asyncpg.Connection) -> None:
    await virtual(db)
    pool = await open_pool(dsn, 2)
    clock = await Clock.open(pool, dsn)
    nudge = asyncio.Event()
    try:
        async with asyncio.timeout(10):
            await clock.wait_until(START, nudge)  # has come
            nudge.set()
            await clock.wait_until(NOON, nudge)
            assert not nudge.is_set()
            await clock.wait_until(None, nudge, at_most=0.01)

            waiting = asyncio.create_task(clock.wait_until(NOON, nudge))
            await step(db, NOON)
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done  # a step is not settled yet: facts up to it may be on their way
            await db.execute("select chassis_clock_settle()")
            await waiting
    finally:
        await clock.close()
        await pool.close()


async def test_a_real_clock_wakes_at_its_instant(dsn: str, db: asyncpg.Connection) -> None:
    pool = await open_pool(dsn, 2)
    clock = await Clock.open(pool, dsn)
    try:
        instant = await db.fetchval("select clock_timestamp() + interval '200 ms'")
        async with asyncio.timeout(5):
            await clock.wait_until(instant, asyncio.Event())
        assert instant <= await db.fetchval("select clock_timestamp() + interval '5 ms'")
    finally:
        await clock.close()
        await pool.close()


def _stamped(origin: Origin, at: datetime) -> Origin:
    return origin._replace(appended_at=at)
