"""The monitor's promises with the hand on the clock: nothing is early, everything is said once, a late fact takes back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.integration.sla_monitor.support import everything, fall_due, knows, make_monitor, words
from tests.support.events import case, routed, submitted
from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire

START = datetime(2018, 3, 5, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def monitor(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = make_monitor(embedded, tmp_path_factory.mktemp("monitor"))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def clock(monitor: ServiceProcess) -> VirtualClock:
    hand = VirtualClock(monitor, START)
    monitor.start()
    return hand


async def test_a_given_deadline_is_started_with_its_own_due_instant(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    wire.send(submitted(complaint, now, given_due_at=now + HOUR, source_ref="39-7"))
    [started] = await deadlines.wait_for(complaint, "deadline.started")
    assert started.instant("due_at") == now + HOUR
    assert started.instant("occurred_at") == now
    assert (started.sequence, started.body["rule"], started.body["source_ref"]) == (1, "given", "39-7")
    assert monitor.sql("select state from deadline where complaint_id = %s", complaint) == [("running",)]


async def test_without_a_promise_nothing_is_started_and_this_is_said(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, clock.now()), routed(complaint, clock.now()))
    await knows(monitor, complaint, 2)
    [gap] = await everything(monitor, deadlines, complaint)
    assert (gap.type, gap.body["reason"]) == ("oversight.gap.v1", "no_rule"), (
        "a deadline that is missing never breaches"
    )
    assert "the source promised no date" in gap.body["detail"]


async def test_a_breach_is_said_at_its_instant_not_before_and_never_again(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    due = now + HOUR
    wire.send(submitted(complaint, now, given_due_at=due), routed(complaint, now))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, due - INSTANT)
    assert words(await everything(monitor, deadlines, complaint)) == ["started"]
    clock.step(due)
    assert words(await everything(monitor, deadlines, complaint)) == ["started"], "not settled: a fact may be under way"
    await fall_due(monitor, clock, due)
    *_, breach = await everything(monitor, deadlines, complaint)
    assert breach.type == "deadline.breached.v1"
    assert breach.instant("due_at") == breach.instant("breached_at") == breach.instant("occurred_at") == due
    assert breach.instant("detected_at") == due
    assert (breach.body["agency"], breach.body["threshold"], breach.body["deadline_version"]) == ("dot", "due", 1)
    await fall_due(monitor, clock, due + HOUR)
    assert words(await everything(monitor, deadlines, complaint)) == ["started", "breached"]


async def test_a_breach_reaches_the_agency_and_the_ombudsman_under_the_same_id(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    audiences = wire.reader("amanah.agency.dot", "amanah.ombudsman")
    wire.send(submitted(complaint, now, given_due_at=now + HOUR), routed(complaint, now))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, now + HOUR)
    *_, breach = await deadlines.wait_for(complaint, "deadline.breached")
    *_, to_agency = await audiences.wait_for(complaint, "deadline.breached", topic="amanah.agency.dot")
    [to_ombudsman] = await audiences.wait_for(complaint, "deadline.breached", topic="amanah.ombudsman")
    audiences.close()
    assert to_agency.id == to_ombudsman.id == breach.id
    assert to_ombudsman.sequence == 1, "an audience's stream is numbered on its own, so that it can see a loss"


async def test_closed_at_the_very_instant_is_in_time(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    due = now + HOUR
    wire.send(submitted(complaint, now, given_due_at=due), routed(complaint, now))
    clock.step(due)
    wire.send(case("resolved", complaint, due))
    await knows(monitor, complaint, 3)
    await fall_due(monitor, clock, due)
    await fall_due(monitor, clock, due + HOUR)
    told = await everything(monitor, deadlines, complaint)
    assert words(told) == ["started", "met"]
    assert told[-1].instant("occurred_at") == due


async def test_a_moment_later_is_a_breach_and_stays_one(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    due = now + HOUR
    wire.send(submitted(complaint, now, given_due_at=due), routed(complaint, now))
    clock.step(due + HOUR)
    wire.send(case("resolved", complaint, due + INSTANT))
    await knows(monitor, complaint, 3)
    await fall_due(monitor, clock, due + HOUR)
    told = await everything(monitor, deadlines, complaint)
    assert words(told) == ["started", "breached"]
    assert told[-1].instant("detected_at") == due + HOUR
    answered = "select state, ended_at from deadline where complaint_id = %s"
    assert monitor.sql(answered, complaint) == [("breached", due + INSTANT)], (
        "the late answer is kept beside the breach"
    )


async def test_a_fact_in_time_that_arrives_late_takes_the_breach_back(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    due = now + HOUR
    wire.send(submitted(complaint, now, given_due_at=due), routed(complaint, now))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, due + HOUR)
    wire.send(case("resolved", complaint, due - INSTANT))
    await knows(monitor, complaint, 3)
    told = await everything(monitor, deadlines, complaint)
    assert words(told) == ["started", "breached", "breach_withdrawn", "met"]
    withdrawal = told[2]
    assert withdrawal.instant("due_at") == due
    assert (due - INSTANT).isoformat() in withdrawal.body["reason"]
    kept = "select withdrawn_at is not null from fired where complaint_id = %s"
    assert monitor.sql(kept, complaint) == [(True,)]


async def test_duplicates_change_nothing(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    filing, assigned = submitted(complaint, now, given_due_at=now + HOUR), routed(complaint, now)
    wire.send(filing, assigned)
    wire.send(filing, assigned, sequence=1)
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, now + HOUR)
    wire.send(filing, assigned, sequence=1)
    wire.send(case("replied", complaint, now + HOUR))
    await knows(monitor, complaint, 3)
    assert words(await everything(monitor, deadlines, complaint)) == ["started", "breached"]


async def test_facts_may_arrive_in_any_order(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    wire.send(case("resolved", complaint, now + HOUR / 2))
    await knows(monitor, complaint, 1)
    wire.send(routed(complaint, now))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, now + 2 * HOUR)
    wire.send(submitted(complaint, now, given_due_at=now + HOUR))
    await knows(monitor, complaint, 3)
    told = await everything(monitor, deadlines, complaint)
    assert words(told) == ["started", "met"]
    assert told[-1].instant("occurred_at") == now + HOUR / 2


async def test_what_fell_due_while_the_monitor_was_down_states_both_instants(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), clock.now()
    due = now + HOUR
    wire.send(submitted(complaint, now, given_due_at=due))
    await knows(monitor, complaint, 1)
    monitor.kill()
    clock.step(due + 5 * HOUR)
    clock.settle()
    monitor.start()
    *_, breach = await deadlines.wait_for(complaint, "deadline.breached")
    assert (breach.instant("breached_at"), breach.instant("detected_at")) == (due, due + 5 * HOUR)
    assert words(await everything(monitor, deadlines, complaint)) == ["started", "breached"]


async def test_the_explanation_shows_the_clock_as_it_stands(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire
) -> None:
    complaint, now = uuid4(), clock.now()
    due = now + HOUR
    wire.send(submitted(complaint, now, given_due_at=due, source_ref="39-8"), routed(complaint, now))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, due)
    [receipt] = json.loads(monitor.get(f"/deadlines/{complaint}"))["clocks"]
    assert (receipt["state"], receipt["rule"], receipt["agency"]) == ("breached", "given", "dot")
    assert datetime.fromisoformat(receipt["due_at"]) == due
    assert (receipt["source_ref"], receipt["days"]) == ("39-8", [])
    assert receipt["law"]
