"""The reconciler of a running monitor: silent while both agree, and aloud, once, where they differ (`oversight.gap`)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.integration.sla_monitor.support import everything, fall_due, knows, make_monitor, words
from tests.support.events import case, routed, submitted
from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire, eventually

START = datetime(2018, 3, 5, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def monitor(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = make_monitor(embedded, tmp_path_factory.mktemp("monitor"), AMANAH_RECONCILE_SECONDS="1")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def clock(monitor: ServiceProcess) -> VirtualClock:
    hand = VirtualClock(monitor, START)
    monitor.start()
    return hand


async def two_looks(monitor: ServiceProcess, clock: VirtualClock) -> None:
    """Returns when everything due by now has been recounted: a look covers what was settled at the look before."""
    clock.settle()
    looked = "select since >= chassis_settled() and looked_at > %s from reconciled"
    [(before,)] = monitor.sql("select clock_timestamp()")
    await eventually(lambda: monitor.sql(looked, before) == [(True,)], "a look")
    [(again,)] = monitor.sql("select clock_timestamp()")
    await eventually(lambda: monitor.sql(looked, again) == [(True,)], "a look that began after it")


async def promised(monitor: ServiceProcess, clock: VirtualClock, wire: Wire) -> tuple[UUID, datetime]:
    """A complaint with a deadline an hour from now."""
    complaint, now = uuid4(), clock.now()
    wire.send(submitted(complaint, now, given_due_at=now + HOUR), routed(complaint, now))
    await knows(monitor, complaint, 2)
    return complaint, now + HOUR


async def test_what_was_said_rightly_brings_no_gap(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    late, due = await promised(monitor, clock, wire)
    met, _ = await promised(monitor, clock, wire)
    wire.send(case("resolved", met, clock.now()))
    await knows(monitor, met, 3)
    await fall_due(monitor, clock, due + HOUR)
    await two_looks(monitor, clock)
    assert words(await everything(monitor, deadlines, late)) == ["started", "breached"]
    assert words(await everything(monitor, deadlines, met)) == ["started", "met"]


async def test_a_breach_that_was_never_said_is_said_to_be_missing_once(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    ombudsman = wire.reader("amanah.ombudsman")
    complaint, due = await promised(monitor, clock, wire)
    monitor.sql("update deadline set next_fire_at = null where complaint_id = %s", complaint)  # the ticker never looks
    await fall_due(monitor, clock, due - timedelta(seconds=1))
    await two_looks(monitor, clock)
    assert words(await everything(monitor, deadlines, complaint)) == ["started"], "not due yet"
    await fall_due(monitor, clock, due)
    await two_looks(monitor, clock)
    [_, gap] = await everything(monitor, deadlines, complaint)
    assert (gap.type, gap.body["reason"]) == ("oversight.gap.v1", "breach_not_said")
    assert gap.instant("recounted_due_at") == gap.instant("occurred_at") == due
    assert (gap.body["stage"], gap.body["holder"], gap.body["rule"]) == ("resolution", 0, "given")
    assert "said_due_at" not in gap.body
    [told] = await ombudsman.wait_for(complaint, "oversight.gap")
    ombudsman.close()
    assert told.id == gap.id
    await two_looks(monitor, clock)
    assert len(await everything(monitor, deadlines, complaint)) == 2, "once"


async def test_a_breach_said_in_error_and_one_of_another_instant_are_found(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    never, due = await promised(monitor, clock, wire)
    other, _ = await promised(monitor, clock, wire)
    wire.send(case("resolved", never, clock.now()))
    await knows(monitor, never, 3)
    await fall_due(monitor, clock, due)
    monitor.sql("insert into fired values (%s, 'resolution', 0, 1, 'due', %s, chassis_settled(), null)", never, due)
    monitor.sql("update fired set due_at = due_at - interval '1 minute' where complaint_id = %s", other)
    await two_looks(monitor, clock)
    in_error = (await everything(monitor, deadlines, never))[-1]
    assert in_error.body["reason"] == "breach_said_in_error"
    assert in_error.instant("said_due_at") == due
    otherwise = (await everything(monitor, deadlines, other))[-1]
    assert otherwise.body["reason"] == "breach_said_otherwise"
    assert otherwise.instant("recounted_due_at") - otherwise.instant("said_due_at") == timedelta(minutes=1)


async def test_a_complaint_that_no_rule_covers_is_said_to_be_unprotected_once(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, clock.now()))
    await knows(monitor, complaint, 1)
    await two_looks(monitor, clock)
    await two_looks(monitor, clock)
    [gap] = await everything(monitor, deadlines, complaint)
    assert (gap.body["reason"], gap.sequence) == ("no_rule", 1)
    assert "stage" not in gap.body


async def test_a_case_that_cannot_be_counted_again_is_said_to_be_so_and_the_monitor_lives(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint = uuid4()
    unheard_of = [{"kind": "complaint.submitted", "source": "intake", "seq": 1, "received_at": "CANARY"}]
    monitor.sql("insert into casefile values (%s, %s)", complaint, json.dumps(unheard_of))
    await two_looks(monitor, clock)
    [gap] = await everything(monitor, deadlines, complaint)
    assert gap.body["reason"] == "not_recounted"
    assert "CANARY" not in gap.body["detail"]
    assert monitor.running


async def test_each_ticker_has_a_heartbeat(monitor: ServiceProcess, clock: VirtualClock) -> None:
    fresh = "select ticker from heartbeat where at > clock_timestamp() - interval '100 s'"
    await eventually(lambda: monitor.sql(fresh) == [("0",)], "a heartbeat")
    assert "amanah_ticker_silence_seconds" in monitor.get("/metrics")
