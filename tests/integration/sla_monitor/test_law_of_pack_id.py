"""The clocks of pack `id` as a running monitor keeps them: working days, calendar days, transfers, and their receipts."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from tests.integration.sla_monitor.support import everything, fall_due, knows, make_monitor, words
from tests.support.events import case, routed, submitted
from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire

from amanah import project
from amanah_sla_monitor.domain.counting import due
from amanah_sla_monitor.pack import load_calendars, load_rules

WITA = ZoneInfo("Asia/Makassar")
HOLDER, NEXT_HOLDER = "kalsel-pupr", "kalsel-perkim"
FILED = datetime(2026, 3, 16, 9, tzinfo=WITA)
"""A Monday. Nyepi and Idul Fitri with their collective leave free the 18th to the 24th."""


@pytest.fixture(scope="module")
def monitor(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    for agency in (HOLDER, NEXT_HOLDER):
        embedded.topic(f"amanah.agency.{agency}")
    process = make_monitor(embedded, tmp_path_factory.mktemp("monitor"), "id")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def clock(monitor: ServiceProcess) -> VirtualClock:
    hand = VirtualClock(monitor, FILED)
    monitor.start()
    return hand


def midnight_after(month: int, day: int) -> datetime:
    return datetime(2026, month, day, tzinfo=WITA) + timedelta(days=1)


def receipts(monitor: ServiceProcess, complaint: UUID) -> dict[tuple[str, int], Any]:
    clocks = json.loads(monitor.get(f"/deadlines/{complaint}"))["clocks"]
    return {(clock["stage"], clock["holder"]): clock for clock in clocks}


async def test_working_days_and_calendar_days_each_end_at_their_own_midnight(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, FILED))
    await knows(monitor, complaint, 1)
    started = {r.body["stage"]: r for r in await everything(monitor, deadlines, complaint)}
    assert started["forwarding"].instant("due_at") == midnight_after(3, 26), "days 1 to 3: the 17th, the 25th, the 26th"
    assert started["response"].instant("due_at") == midnight_after(3, 30), "14 days, whatever they are"
    assert started["forwarding"].body["calendar"] == "five-day@2026.1"

    await fall_due(monitor, clock, midnight_after(3, 26) - timedelta(microseconds=1))
    assert "breached" not in words(await everything(monitor, deadlines, complaint))
    await fall_due(monitor, clock, midnight_after(3, 26))
    told = await everything(monitor, deadlines, complaint)
    assert words(told, "forwarding") == ["started", "at_risk", "at_risk", "breached", "escalation.raised"]
    assert [
        r.body["threshold"] for r in told if r.type == "deadline.at_risk.v1" and r.body["stage"] == "forwarding"
    ] == [
        "half",
        "last_day",
    ]
    assert "breached" not in words(told, "response")
    await fall_due(monitor, clock, midnight_after(3, 30))
    told = await everything(monitor, deadlines, complaint)
    assert words(told, "response")[-3:] == ["breached", "escalation.impossible", "escalation.raised"]
    [nobody, called] = [r.body for r in told if r.body["stage"] == "response"][-2:]
    assert (nobody["level"], nobody["reason"]) == (1, "no_holder"), "it was never routed: whose superior?"
    assert (called["level"], called["office"], called["escalated_at"]) == (2, "ombudsman", nobody["escalated_at"])


async def test_a_receipt_names_every_day_and_recomputes_to_the_same_instant(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, FILED))
    await knows(monitor, complaint, 1)
    receipt = receipts(monitor, complaint)["forwarding", 0]
    assert [(d["date"][-2:], d["counted"]) for d in receipt["days"]] == [
        ("16", False),
        ("17", True),
        *((f"{day}", False) for day in range(18, 25)),
        ("25", True),
        ("26", True),
    ]
    assert {d["date"]: d["reason"] for d in receipt["days"]}["2026-03-19"] == "holiday: Hari Suci Nyepi"
    calendars = load_calendars(project.pack("id"))
    rule = load_rules(project.pack("id"), calendars).find(receipt["rule"])
    assert rule is not None
    assert (rule.version, rule.law) == (receipt["version"], receipt["law"])
    calendar = calendars.by_id[receipt["calendar"]]
    assert calendar.version == receipt["calendar_version"]
    recomputed = due(rule.term, calendar, datetime.fromisoformat(receipt["start"]))
    assert recomputed == datetime.fromisoformat(receipt["due_at"]) == midnight_after(3, 26)
    last = [d for d in receipt["days"] if d["counted"]][-1]
    assert date.fromisoformat(last["date"]) == date(2026, 3, 26)


async def test_a_transfer_ends_the_holders_clock_and_leaves_the_citizens(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), max(clock.now(), datetime(2026, 6, 2, 9, tzinfo=WITA))
    clock.step(now)
    wire.send(submitted(complaint, now), routed(complaint, now, HOLDER))
    await knows(monitor, complaint, 2)
    before = receipts(monitor, complaint)
    handed_over = now + timedelta(days=1)
    wire.send(routed(complaint, handed_over, NEXT_HOLDER, 2))
    await knows(monitor, complaint, 3)
    after = receipts(monitor, complaint)
    assert after["first_reply", 1]["state"] == "cancelled"
    assert datetime.fromisoformat(after["first_reply", 1]["ended_at"]) == handed_over
    assert (after["first_reply", 2]["state"], after["first_reply", 2]["agency"]) == ("running", NEXT_HOLDER)
    assert after["first_reply", 2]["due_at"] > before["first_reply", 1]["due_at"]
    assert after["response", 0]["due_at"] == before["response", 0]["due_at"], "the citizen's clock never resets"

    wire.send(case("replied", complaint, handed_over + timedelta(hours=1), NEXT_HOLDER))
    await knows(monitor, complaint, 4)
    told = await everything(monitor, deadlines, complaint)
    assert words([r for r in told if r.body["holder"] == 1], "first_reply") == ["started", "cancelled"]
    [cancelled] = [r for r in told if r.type == "deadline.cancelled.v1"]
    assert (cancelled.instant("occurred_at"), cancelled.body["agency"]) == (handed_over, HOLDER)
    assert cancelled.body["reason"] == "the case went to another holder"
    assert words([r for r in told if r.body["holder"] == 2], "first_reply") == ["started", "met"]
    assert words(told, "forwarding") == ["started", "met"]
    assert words(told, "response") == ["started", "met"]
    assert words(told, "settlement") == ["started"], "the answer started the long clock"


async def test_a_transfer_learnt_of_late_takes_the_breach_of_the_first_holder_back(
    monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    complaint, now = uuid4(), max(clock.now(), datetime(2026, 7, 1, 9, tzinfo=WITA))
    clock.step(now)
    wire.send(submitted(complaint, now), routed(complaint, now, HOLDER))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, now + timedelta(days=9))
    assert "breached" in words(await everything(monitor, deadlines, complaint), "first_reply")
    wire.send(routed(complaint, now + timedelta(days=2), NEXT_HOLDER, 2))
    await knows(monitor, complaint, 3)
    told = [r for r in await everything(monitor, deadlines, complaint) if r.body["stage"] == "first_reply"]
    of_first = words([r for r in told if r.body["holder"] == 1])
    assert [word for word in of_first if word not in ("at_risk", "escalation.raised")] == [
        "started",
        "breached",
        "breach_withdrawn",
        "cancelled",
    ]
    assert words([r for r in told if r.body["holder"] == 2])[:1] == ["started"]
