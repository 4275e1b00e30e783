"""What may be deleted after its term, and what may not, however old it is: docs/retention.md on a real database."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from tests.integration.chassis.test_dlq_command import Operator, bury, fetch, submitted
from tests.support.faults import Unreachable
from tests.support.ledger_outbox import emit
from tests.support.ledger_service import Ledger, prepare, record, until
from tests.support.stack import Embedded

from amanah_chassis import outbox, retention
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection, migrate
from amanah_chassis.relay import BATCH
from amanah_chassis.retention import PORTION, Rule, sent_events, settled_letters
from amanah_chassis.settings import ChassisSettings
from amanah_notifier.store import forget
from amanah_sla_monitor.app import SERVICE as MONITOR

TERM = timedelta(days=400)
OLD, YOUNG = timedelta(days=401), timedelta(days=399)
OUTBOX = Rule("chassis_outbox", TERM, sent_events)
LETTERS = Rule("chassis_dead_letter", TERM, settled_letters)
NOTICES = Rule("notifier_delivery", TERM, forget)
[TICKERS] = MONITOR.forgets(None)
UNSENT = "select id from chassis_outbox where sent_at is null order by id limit $1"


async def event(ledger: Ledger, label: str, written: timedelta, sent: timedelta | None, copies: int = 1) -> None:
    """Rows of the outbox, so long ago."""
    await ledger.rows(
        """
        insert into chassis_outbox (event_id, topic, subject, type, seq, value, created_at, sent_at)
        select gen_random_uuid(), 'amanah.tests', gen_random_uuid(), $1, 1, '\\x7b7d', clock_timestamp() - $2::interval,
               clock_timestamp() - $3::interval
        from generate_series(1, $4)
        """,
        label,
        written,
        sent,
        copies,
    )


async def left(ledger: Ledger) -> list[str]:
    return [row["type"] for row in await ledger.rows("select distinct type from chassis_outbox order by type")]


def pruned(table: str) -> float:
    return REGISTRY.get_sample_value("amanah_rows_pruned_total", {"table": table}) or 0.0


# -- the outbox ----------------------------------------------------------------------------------------------------------


async def test_events_go_a_term_after_they_were_sent_and_unsent_ones_never(ledger: Ledger) -> None:
    await event(ledger, "held back for years", OLD * 3, None)
    await event(ledger, "sent long ago", OLD, OLD)
    await event(ledger, "written long ago, sent yesterday", OLD, timedelta(days=1))
    await event(ledger, "sent long ago too", OLD, OLD)
    await event(ledger, "sent within the term", YOUNG, YOUNG)
    await event(ledger, "unsent", timedelta(), None)
    before = pruned("chassis_outbox")
    assert await retention.prune(ledger.chassis.pool, OUTBOX) == 2
    assert await left(ledger) == [
        "held back for years",
        "sent within the term",
        "unsent",
        "written long ago, sent yesterday",
    ]
    assert pruned("chassis_outbox") - before == 2


async def test_what_waits_for_kafka_is_counted_but_never_so_long_that_it_waits_for_that(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger.chassis.pool.acquire() as db:
        assert await outbox.unsent(db) == (0, 0.0)
    await event(ledger, "sent", OLD * 2, OLD)
    await event(ledger, "unsent", YOUNG, None)
    await event(ledger, "unsent later", timedelta(), None, copies=9)
    async with ledger.chassis.pool.acquire() as db:
        count, oldest = await outbox.unsent(db)
        monkeypatch.setattr(outbox, "COUNTED", 4)
        assert (await outbox.unsent(db))[0] == 4
    assert (count, timedelta(seconds=round(oldest))) == (10, YOUNG)


async def test_how_far_it_has_come_is_said_in_the_same_commit_and_never_moves_back(ledger: Ledger) -> None:
    horizon = "select up_to from chassis_pruned where what = 'chassis_outbox'"
    await event(ledger, "young", YOUNG, YOUNG)
    assert await retention.prune(ledger.chassis.pool, OUTBOX) == 0
    assert await ledger.rows(horizon) == []
    await event(ledger, "old", OLD, OLD)
    [sent] = await ledger.rows("select sent_at from chassis_outbox where type = 'old'")
    await retention.prune(ledger.chassis.pool, OUTBOX)
    assert [row["up_to"] for row in await ledger.rows(horizon)] == [sent["sent_at"]]
    await event(ledger, "older", OLD * 2, OLD * 2)
    assert await retention.prune(ledger.chassis.pool, OUTBOX) == 1
    assert [row["up_to"] for row in await ledger.rows(horizon)] == [sent["sent_at"]]


async def test_many_go_portion_by_portion_and_a_walk_ends_at_the_first_that_is_young(ledger: Ledger) -> None:
    await event(ledger, "old", OLD, OLD, copies=2 * PORTION + 10)
    await event(ledger, "young", YOUNG, YOUNG, copies=5 * PORTION)
    sizes: list[int] = []

    async def counted(db: Connection, term: timedelta, last: int | None, limit: int) -> retention.Portion:
        done = await sent_events(db, term, last, limit)
        sizes.append(done.deleted)
        return done

    assert await retention.prune(ledger.chassis.pool, Rule("chassis_outbox", TERM, counted)) == 2 * PORTION + 10
    assert sizes == [PORTION, PORTION, 10]
    sizes.clear()
    await retention.prune(ledger.chassis.pool, Rule("chassis_outbox", TERM, counted))
    assert sizes == [0], "nothing is old, so one portion is looked at and no more"


async def test_a_walk_reads_no_more_than_its_portion_however_many_rows_there_are(ledger: Ledger) -> None:
    await event(ledger, "young", YOUNG, YOUNG, copies=20 * PORTION)
    await ledger.rows("analyze chassis_outbox")
    plan = json.dumps(await explained(ledger, "select id from chassis_outbox where id > 0 order by id limit 1000"))
    assert "chassis_outbox_pkey" in plan
    assert "Seq Scan" not in plan
    # The question of the relay still has its own index.
    assert "chassis_outbox_unsent" in json.dumps(await explained(ledger, UNSENT.replace("$1", str(BATCH))))


async def explained(ledger: Ledger, sql: str) -> object:
    [row] = await ledger.rows(f"explain (format json) {sql}")
    return json.loads(row[0])


async def test_pruning_waits_for_nobody_and_holds_up_no_sender(ledger: Ledger) -> None:
    """A relay in the midst of marking what it sent holds locks on unsent rows; pruning needs none of them."""
    await event(ledger, "unsent", OLD, None, copies=50)
    await event(ledger, "old", OLD, OLD, copies=50)
    relay = await asyncpg.connect(ledger.dsn)
    pruning = await asyncpg.connect(ledger.dsn)
    try:
        async with relay.transaction():
            await relay.execute("update chassis_outbox set sent_at = clock_timestamp() where type = 'unsent'")
            async with asyncio.timeout(5), pruning.transaction():
                assert (await sent_events(pruning, TERM, None, PORTION)).deleted == 50
                await relay.execute("update chassis_outbox set sent_at = clock_timestamp() where type = 'unsent'")
    finally:
        await relay.close()
        await pruning.close()


async def test_under_a_virtual_clock_a_year_that_took_minutes_deletes_nothing(ledger: Ledger) -> None:
    """Kafka counts in real time how long it keeps what the rows were sent for."""
    start = datetime(2018, 3, 1, tzinfo=UTC)
    await ledger.rows("select chassis_clock_virtual($1)", start)
    await event(ledger, "of the first day", timedelta(), timedelta())
    await ledger.rows("update chassis_outbox set created_at = $1", start)
    await ledger.rows("select chassis_clock_step(clock_timestamp(), $1)", start + OLD)
    assert await retention.prune(ledger.chassis.pool, OUTBOX) == 0
    await ledger.rows("update chassis_outbox set sent_at = sent_at - $1::interval", OLD)
    assert await retention.prune(ledger.chassis.pool, OUTBOX) == 1


async def test_under_a_clock_that_stands_in_the_past_real_age_alone_deletes_nothing(ledger: Ledger) -> None:
    start = datetime(2018, 3, 1, tzinfo=UTC)
    await ledger.rows("select chassis_clock_virtual($1)", start)
    await event(ledger, "a day old by its own clock", timedelta(), OLD)
    await ledger.rows("update chassis_outbox set created_at = $1", start)
    await ledger.rows("select chassis_clock_step(clock_timestamp(), $1)", start + timedelta(days=1))
    assert await retention.prune(ledger.chassis.pool, OUTBOX) == 0


# -- what pruning must not forget ----------------------------------------------------------------------------------------


async def test_after_pruning_an_old_duplicate_is_still_refused_and_numbers_go_on(ledger: Ledger) -> None:
    """Years later the same records come again, as after a rebuilt topic: no effect happens twice, and no stream of ours
    begins to count from 1 anew."""
    subject = uuid4()
    first, second = record(ledger.topic, subject, 1, "1", 1), record(ledger.topic, subject, 2, "2", 2)
    await ledger.consumer.apply([first, second])
    await emit(ledger, subject, "ours")
    await ledger.rows(
        "update chassis_outbox set created_at = created_at - $1::interval, sent_at = created_at - $1", OLD
    )
    for rule in retention.of_chassis(ledger.chassis.settings):
        await retention.prune(ledger.chassis.pool, rule)
    assert await left(ledger) == []
    await ledger.consumer.apply([first, second])
    assert await ledger.effects() == ["1", "2"]
    await ledger.consumer.apply([record(ledger.topic, subject, 3, "3", 3)])
    assert await ledger.effects() == ["1", "2", "3"]
    await emit(ledger, subject, "ours")
    assert [row["seq"] for row in await ledger.rows("select seq from chassis_outbox")] == [2]


async def test_what_is_set_aside_has_no_term(ledger: Ledger) -> None:
    subject = uuid4()
    await ledger.consumer.apply([record(ledger.topic, subject, 2, "2", 2)])
    await ledger.rows(
        "update chassis_parked set parked_at = parked_at - $1::interval, appended_at = appended_at - $1", OLD
    )
    for rule in retention.of_chassis(ledger.chassis.settings):
        await retention.prune(ledger.chassis.pool, rule)
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "1", 1)])
    assert await ledger.effects() == ["1", "2"]


# -- dead letters --------------------------------------------------------------------------------------------------------


async def test_letters_go_a_term_after_they_were_settled_and_waiting_ones_never(ledger: Ledger) -> None:
    ledger.book.poison = {"bad"}
    for offset in range(5):
        await ledger.consumer.apply([record(ledger.topic, uuid4(), 1, "bad", offset)])
    ages = {0: (OLD, OLD), 1: (OLD, YOUNG), 2: (OLD, OLD), 3: (YOUNG, YOUNG), 4: (OLD, None)}
    for offset, (appended, settled) in ages.items():
        await ledger.rows(
            "update chassis_dead_letter set appended_at = clock_timestamp() - $2::interval, dead_at = dead_at - $2,"
            ' replayed_at = clock_timestamp() - $3::interval, given_up = $4 where "offset" = $1',
            offset,
            appended,
            settled,
            "never to be handled" if offset == 2 else None,
        )
    assert await retention.prune(ledger.chassis.pool, LETTERS) == 2
    assert [row[0] for row in await ledger.rows('select "offset" from chassis_dead_letter order by 1')] == [1, 3, 4]
    assert [letter["offset"] for letter in await ledger.letters()] == [4]


async def test_a_letter_that_is_pruned_cannot_be_replayed_and_the_command_says_so(embedded: Embedded) -> None:
    dsn = embedded.database(f"amanah_routing_{uuid4().hex[:8]}")
    await migrate(dsn, ("amanah_chassis", "amanah_routing"))
    operator = Operator("--service", "routing", "--database", dsn)
    await bury(dsn, [(submitted(1), "undecodable"), (submitted(2), "undecodable")])
    assert operator("drop", "1", "--reason", "sent by a broken release").returncode == 0
    await fetch(dsn, f"update chassis_dead_letter set replayed_at = replayed_at - interval '{OLD.days} days',"
                     f" appended_at = appended_at - interval '{OLD.days} days' returning 1")  # fmt: skip
    async with Chassis.open(ChassisSettings(kafka=embedded.kafka, database=dsn), "routing") as chassis:
        assert await retention.prune(chassis.pool, LETTERS) == 1
    gone = operator("replay", "1")
    assert gone.returncode == 1
    assert "routing has no dead letter 1 that waits" in gone.stderr
    assert [letter["id"] for letter in json.loads(operator("list", "--json").stdout)] == [2]


async def test_counting_the_letters_that_wait_does_not_grow_with_those_that_are_settled(ledger: Ledger) -> None:
    await ledger.rows(
        """
        insert into chassis_dead_letter
            (topic, partition, "offset", appended_at, headers, reason, detail, dead_at, replayed_at)
        select 't', 0, n, now(), '[]', 'undecodable', '', now(), now() from generate_series(1, 5000) n
        """
    )
    await ledger.rows("analyze chassis_dead_letter")
    plan = json.dumps(await explained(ledger, "select count(*) from chassis_dead_letter where replayed_at is null"))
    assert "chassis_dead_letter_waiting" in plan


# -- a service's own tables ----------------------------------------------------------------------------------------------


@pytest.fixture
async def notices(database: str) -> AsyncIterator[asyncpg.Pool]:
    await migrate(database, ("amanah_chassis", "amanah_notifier"))
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        yield pool


async def notice(pool: asyncpg.Pool, complaint: UUID, state: str, settled: timedelta | None) -> None:
    await pool.execute(
        """
        insert into notifier_delivery (id, complaint_id, stem, about, occasion, recipient, channel, address, lane, template,
                                       facts, state, created_at, settled_at)
        values (gen_random_uuid(), $1, 's', 'a', 'o', 'ombudsman', 'webhook', 'x', 'x', 't', '{}', $2,
                clock_timestamp() - interval '800 days', clock_timestamp() - $3::interval)
        """,
        complaint,
        state,
        settled,
    )


async def test_a_complaints_notices_go_together_when_all_has_been_silent_for_the_term(notices: asyncpg.Pool) -> None:
    silent, told_again, waiting = uuid4(), uuid4(), uuid4()
    for state in ("sent", "failed", "superseded", "not_wanted"):
        await notice(notices, silent, state, OLD)
    await notice(notices, told_again, "sent", OLD)
    await notice(notices, told_again, "sent", YOUNG)
    await notice(notices, waiting, "sent", OLD)
    await notice(notices, waiting, "pending", None)
    assert await retention.prune(notices, NOTICES) == 4
    kept = await notices.fetch("select complaint_id, count(*) from notifier_delivery group by 1")
    assert {row[0]: row[1] for row in kept} == {told_again: 2, waiting: 2}


async def test_notices_that_must_stay_do_not_hide_those_behind_them(notices: asyncpg.Pool) -> None:
    living = uuid4()
    for n in range(7):
        await notice(notices, living, "sent", OLD + timedelta(days=n))
    await notice(notices, living, "pending", None)
    for n in range(3):
        await notice(notices, uuid4(), "sent", OLD - timedelta(hours=n))
    async with notices.acquire() as db:
        last, deleted = None, 0
        while True:
            done, last = await forget(db, TERM, last, 2)
            deleted += done
            if last is None:
                break
    assert deleted == 3


async def test_notices_past_their_term_are_found_by_an_index(notices: asyncpg.Pool) -> None:
    """As the statement asks for them; a volatile function in its place would read every settled notice."""
    for _ in range(3):
        await notice(notices, uuid4(), "sent", YOUNG)
    async with notices.acquire() as db, db.transaction():
        await db.execute("set local enable_seqscan = off")
        asked = "settled_at < statement_timestamp() - interval '400 days'"
        [row] = await db.fetch(
            f"explain (format json) select id from notifier_delivery where {asked}"
            " and (settled_at, id) > ('-infinity', $1::uuid) order by settled_at, id limit 10",
            UUID(int=0),
        )
    assert "Index Cond" in row[0]
    assert "notifier_delivery_settled" in row[0]


async def test_tickers_long_gone_are_forgotten_but_never_the_last_one(database: str) -> None:
    await migrate(database, ("amanah_chassis", "amanah_sla_monitor"))
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        put = "insert into heartbeat values ($1, clock_timestamp() - $2::interval)"
        for name, silent in (("gone", 40), ("gone for longer", 60), ("last", 35)):
            await pool.execute(put, name, timedelta(days=silent))
        assert await retention.prune(pool, TICKERS) == 2
        assert [row[0] for row in await pool.fetch("select ticker from heartbeat")] == ["last"]
        await pool.execute(put, "here", timedelta())
        assert await retention.prune(pool, TICKERS) == 1


# -- the work in the background ------------------------------------------------------------------------------------------


async def test_it_runs_by_itself_and_waits_out_a_database_that_is_away(embedded: Embedded, database: str) -> None:
    await prepare(database)
    settings = ChassisSettings(kafka=embedded.kafka, database=database, prune_seconds=0.1)
    async with Chassis.open(settings, "tests") as chassis:
        work = asyncio.create_task(retention.run(chassis, retention.of_chassis(settings)))
        rows = partial(_count, database)
        try:
            await _old(database)
            await until(lambda: rows([]), "the first to be gone")
            async with Unreachable(embedded.stack.admin_dsn(), urlsplit(database).path.strip("/")):
                await asyncio.sleep(0.5)
                assert not work.done()
            await _old(database)
            await until(lambda: rows([]), "the second to be gone")
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def _old(dsn: str) -> None:
    await fetch(
        dsn,
        "insert into chassis_outbox (event_id, topic, subject, type, seq, value, created_at, sent_at) values"
        " (gen_random_uuid(), 't', gen_random_uuid(), 'x', 1, '\\x7b7d', now() - interval '401 days',"
        " now() - interval '401 days') returning 1",
    )


async def _count(dsn: str, wanted: Sequence[object]) -> bool:
    return await fetch(dsn, "select id from chassis_outbox") == list(wanted)


def test_the_default_terms_are_those_of_the_topics() -> None:
    """An event is kept as long as the topics keep it, whatever topic it went to."""
    from amanah.contracts import topics

    longest = max(topic.retention_days for topic in topics.load())
    settings = ChassisSettings(kafka="k", database="d")
    assert (settings.outbox_days, settings.dead_letter_days) == (longest, longest)
