"""The monitor in real time: breaches come promptly, and whatever is killed meanwhile, each comes once."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.integration.sla_monitor.support import everything, knows, make_monitor, words
from tests.support.events import case, routed, submitted
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire, eventually

MANY = 200


@pytest.fixture(scope="module")
def monitor(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = make_monitor(embedded, tmp_path_factory.mktemp("monitor"), AMANAH_TICKER_BATCH="10")
    process.start()
    yield process
    process.stop()


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_deadline_300_ms_away_breaches_at_its_instant(
    monitor: ServiceProcess, wire: Wire, deadlines: Reader
) -> None:
    first = uuid4()
    wire.send(submitted(first, now()))
    await knows(monitor, first, 1)  # the consumer has joined its group
    complaint, due = uuid4(), now() + timedelta(milliseconds=300)
    wire.send(submitted(complaint, now(), given_due_at=due), routed(complaint, now()))
    *_, breach = await deadlines.wait_for(complaint, "deadline.breached")
    assert breach.instant("due_at") == breach.instant("breached_at") == due
    assert timedelta() <= breach.instant("detected_at") - due < timedelta(seconds=1)
    assert timedelta(milliseconds=-1) <= breach.appended_at - due < timedelta(seconds=1), "the broker's own stamp"


async def test_a_deadline_met_in_time_never_breaches(monitor: ServiceProcess, wire: Wire, deadlines: Reader) -> None:
    complaint, due = uuid4(), now() + timedelta(milliseconds=1500)
    wire.send(
        submitted(complaint, now(), given_due_at=due), routed(complaint, now()), case("resolved", complaint, now())
    )
    await deadlines.wait_for(complaint, "deadline.met")
    # A later deadline has breached, so the ticker has been past this one.
    witness = uuid4()
    wire.send(submitted(witness, now(), given_due_at=due + timedelta(milliseconds=1)))
    await deadlines.wait_for(witness, "deadline.breached")
    assert words(await everything(monitor, deadlines, complaint)) == ["started", "met"]


async def test_a_promise_that_had_passed_before_the_filing_breaches_at_once(
    monitor: ServiceProcess, wire: Wire, deadlines: Reader
) -> None:
    complaint, due = uuid4(), now() - timedelta(days=1)
    wire.send(submitted(complaint, now(), given_due_at=due))
    told = await deadlines.wait_for(complaint, "deadline.breached")
    assert words(told) == ["started", "breached"]
    assert told[-1].instant("breached_at") == due
    assert told[-1].instant("detected_at") > due + timedelta(hours=23)


async def test_after_downtime_what_was_missed_fires_with_both_instants(
    monitor: ServiceProcess, wire: Wire, deadlines: Reader
) -> None:
    complaint, due = uuid4(), now() + timedelta(milliseconds=800)
    wire.send(submitted(complaint, now(), given_due_at=due))
    await deadlines.wait_for(complaint, "deadline.started")
    monitor.kill()
    await eventually(lambda: now() > due + timedelta(milliseconds=200), "the due instant")
    restarted = now()
    monitor.start()
    *_, breach = await deadlines.wait_for(complaint, "deadline.breached")
    assert breach.instant("due_at") == due
    assert breach.instant("detected_at") >= restarted


def file_many(wire: Wire, due: datetime) -> set[UUID]:
    complaints = {uuid4() for _ in range(MANY)}
    wire.send(*(submitted(complaint, now(), given_due_at=due) for complaint in complaints))
    return complaints


def count_of(monitor: ServiceProcess, table: str, due: datetime) -> int:
    """Rows of `deadline` or `fired` that are about this due instant."""
    [(count,)] = monitor.sql(f"select count(*) from {table} where due_at = %s", due)
    return int(count)


async def all_sent(monitor: ServiceProcess) -> None:
    none_left = "select not exists (select from chassis_outbox where sent_at is null)"
    await eventually(lambda: monitor.sql(none_left) == [(True,)], "the relay")


def assert_each_once(reader: Reader, complaints: set[UUID], due: datetime) -> None:
    """One breach each. A record may lie in Kafka twice, when the relay died between sending and marking; it then has the
    same id and number, by which every consumer drops it."""
    breaches = {(r.complaint, r.id, r.sequence) for r in reader.records if r.type == "deadline.breached.v1"}
    counts = Counter(complaint for complaint, _, _ in breaches if complaint in complaints)
    assert counts == dict.fromkeys(complaints, 1)
    for record in reader.records:
        if record.complaint in complaints and record.type == "deadline.breached.v1":
            assert record.instant("breached_at") == due
            assert record.instant("detected_at") >= due


async def all_breached(reader: Reader, complaints: set[UUID]) -> None:
    await reader.until(
        lambda: complaints <= {r.complaint for r in reader.records if r.type == "deadline.breached.v1"}, "every breach"
    )


async def test_killed_while_200_deadlines_fire_each_is_said_once(
    monitor: ServiceProcess, wire: Wire, deadlines: Reader
) -> None:
    due = now() + timedelta(seconds=2)
    complaints = file_many(wire, due)
    await eventually(lambda: count_of(monitor, "deadline", due) == MANY, "the clocks")
    with psycopg.connect(monitor.database) as holder:
        # A ticker passes over rows that another transaction holds. So it stops half-way, and is killed there.
        holder.execute("select from deadline where due_at = %s order by complaint_id limit 100 for update", (due,))
        await eventually(lambda: count_of(monitor, "fired", due) == MANY // 2, "the first half")
        monitor.kill()
    monitor.start()
    for _ in range(3):  # wherever it is by now
        monitor.kill()
        monitor.start()
    await all_breached(deadlines, complaints)
    await all_sent(monitor)
    await deadlines.until(lambda: True)
    assert_each_once(deadlines, complaints, due)
    assert count_of(monitor, "fired", due) == MANY


async def test_two_monitors_tick_at_once_and_each_breach_is_said_once(
    monitor: ServiceProcess, embedded: Embedded, wire: Wire, deadlines: Reader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("second")
    second = make_monitor(embedded, home, database=monitor.database, instance="1", AMANAH_TICKER_BATCH="10")
    second.start()
    try:
        due = now() + timedelta(seconds=3)
        complaints = file_many(wire, due)
        await eventually(lambda: count_of(monitor, "deadline", due) == MANY, "the clocks")
        await all_breached(deadlines, complaints)
        await all_sent(monitor)
    finally:
        second.stop()
    await deadlines.until(lambda: True)
    assert_each_once(deadlines, complaints, due)
    committed = (
        "select count(*) from chassis_outbox where type = 'deadline.breached.v1' and topic = %s and subject = any(%s)"
    )
    assert monitor.sql(committed, "amanah.deadlines", list(complaints)) == [(MANY,)]


async def test_one_of_two_monitors_freezes_in_mid_claim_and_each_breach_is_said_once(
    monitor: ServiceProcess, embedded: Embedded, wire: Wire, deadlines: Reader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The frozen one holds the rows that it has claimed; Postgres ends its session, the other monitor takes them, and
    what thaws cannot commit any more."""
    home = tmp_path_factory.mktemp("second")
    second = make_monitor(embedded, home, database=monitor.database, instance="1", AMANAH_TICKER_BATCH="10")
    held_up = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%%skip locked%%'"
    far = now() + timedelta(days=1)
    complaints = file_many(wire, far)
    await eventually(lambda: count_of(monitor, "deadline", far) == MANY, "the clocks")
    due = now() + timedelta(seconds=3)  # brought near only now: however long the clocks took, nobody has claimed them
    monitor.sql("update deadline set due_at = %s, next_fire_at = %s where due_at = %s", due, due, far)
    monitor.sql("notify sla_monitor_ticker")
    with psycopg.connect(monitor.database) as obstacle:
        # Whoever claims these rows now waits, with them in hand, to learn whether somebody else has said the breaches.
        obstacle.execute(
            "insert into fired select complaint_id, stage, holder, deadline_version, 'due', due_at, due_at from deadline"
            " where due_at = %s",
            (due,),
        )
        await eventually(lambda: monitor.sql(held_up) == [(1,)], "the claim")
        monitor.freeze()
        obstacle.rollback()
    claimed = (
        "select count(*) from pg_stat_activity where state = 'idle in transaction' and query ilike '%%skip locked%%'"
    )
    try:
        await eventually(lambda: monitor.sql(claimed) == [(1,)], "the claim that nobody commits")
        second.start()
        await eventually(lambda: count_of(monitor, "fired", due) == MANY, "the end of the frozen session")
        await all_breached(deadlines, complaints)
    finally:
        monitor.thaw()
        second.stop()
    witness = uuid4()
    wire.send(submitted(witness, now(), given_due_at=now() + timedelta(milliseconds=500)))
    await deadlines.wait_for(witness, "deadline.breached")
    await all_sent(monitor)
    await deadlines.until(lambda: True)
    assert_each_once(deadlines, complaints, due)
