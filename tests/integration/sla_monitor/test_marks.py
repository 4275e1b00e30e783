"""Warnings, pauses, extensions and levels as a running monitor says them, by a small law without holidays."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from tests.integration.sla_monitor.support import everything, fall_due, knows, words
from tests.support.events import case, routed
from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Record, Wire

from amanah import project

WITA = ZoneInfo("Asia/Makassar")
HOLDER, TOP = "kalsel-pupr", "kalsel"
"""An agency with a superior, and one without."""
MONDAY = datetime(2026, 6, 22, 9, tzinfo=WITA)
CALENDARS = """
default: five-day
calendars:
  - id: five-day
    version: "1"
    zone: Asia/Makassar
    week: {mon-thu: ["07:30-16:00"], fri: ["07:30-16:30"]}
"""
LAW = """
roles: {liaison: agency, head: agency, secretary: superior, ombudsman: ombudsman, minister: nobody}
rules:
  - id: REPLY
    version: "1"
    stage: reply
    bound_to: holder
    unit: working_day
    length: 5
    start: [complaint.routed]
    stop: [case.replied]
    pause: {start: [case.information_requested], end: [case.information_received]}
    extension: {length: 2, facts: [case.extended]}
    thresholds: [{name: half, percent: 50}, {name: last_day}]
    escalations:
      - {level: 1, role: liaison, after: 0}
      - {level: 2, role: secretary, after: 2}
      - {level: 3, role: minister, after: 4}
      - {level: 4, role: ombudsman, after: 9}
    law: A law of this test
    verified: false
"""


@pytest.fixture(scope="module")
def monitor(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    for agency in (HOLDER, TOP):
        embedded.topic(f"amanah.agency.{agency}")
    home = tmp_path_factory.mktemp("monitor")
    pack = home / "pack"
    shutil.copytree(project.pack("id"), pack)
    (pack / "rules.yaml").write_text(LAW)
    (pack / "calendars.yaml").write_text(CALENDARS)
    process = ServiceProcess("sla_monitor", kafka=embedded.kafka, database=embedded.database(), pack=pack, home=home)
    yield process
    process.stop()


@pytest.fixture(scope="module")
def clock(monitor: ServiceProcess) -> VirtualClock:
    hand = VirtualClock(monitor, MONDAY - timedelta(days=7))
    monitor.start()
    return hand


class Case:
    """One complaint on a Monday of its own, so that tests do not share instants."""

    def __init__(self, monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader) -> None:
        self.monitor, self.clock, self.wire, self.deadlines = monitor, clock, wire, deadlines
        self.id, self.facts = uuid4(), 0
        self.monday = MONDAY
        while self.monday <= clock.now():
            self.monday += timedelta(days=7)
        clock.step(self.monday)

    def at(self, day: int, hour: float = 9) -> datetime:
        """So many days after its Monday."""
        return self.monday.replace(hour=0) + timedelta(days=day, hours=hour)

    async def send(self, *events: Any) -> None:
        self.wire.send(*events)
        self.facts += len(events)
        await knows(self.monitor, self.id, self.facts)

    async def begin(self, agency: str = HOLDER) -> "Case":
        await self.send(routed(self.id, self.monday, agency))
        return self

    async def does(self, kind: str, day: int, hour: float = 9, **more: Any) -> None:
        at = self.at(day, hour)
        self.clock.step(max(at, self.clock.now()))
        await self.send(case(kind, self.id, at, more.pop("agency", HOLDER), **more))

    async def until(self, day: int, hour: float = 0) -> list[Record]:
        """Lets the time come; answers all that has been said."""
        await fall_due(self.monitor, self.clock, self.at(day, hour))
        return await self.told()

    async def told(self) -> list[Record]:
        return await everything(self.monitor, self.deadlines, self.id)


@pytest.fixture
def a_case(monitor: ServiceProcess, clock: VirtualClock, wire: Wire, deadlines: Reader) -> Case:
    return Case(monitor, clock, wire, deadlines)


async def test_wish_17_it_warns_at_its_thresholds_before_it_is_late(a_case: Case) -> None:
    """Five days from Tuesday end with the next Monday. Half of them: the third, Thursday; the last day: Monday."""
    await a_case.begin()
    assert words(await a_case.until(3, 7)) == ["started"]
    assert words(await a_case.until(3, 7.5)) == ["started", "at_risk"]
    await a_case.until(7, 9)
    told = await a_case.until(7, 24)
    warned = [r for r in told if r.type == "deadline.at_risk.v1"]
    assert [(r.body["threshold"], r.instant("at_risk_at")) for r in warned] == [
        ("half", a_case.at(3, 7.5)),
        ("last_day", a_case.at(7, 7.5)),
    ]
    assert words(told)[:4] == ["started", "at_risk", "at_risk", "breached"]
    assert all(r.instant("due_at") == a_case.at(7, 24) for r in warned)


async def test_wish_18_three_levels_call_upon_three_offices_each_by_its_own_limit(a_case: Case) -> None:
    """And wish 19: where a level can call upon nobody this is said, and the next one is called upon at once."""
    await a_case.begin()
    told = await a_case.until(30)
    levels = [r for r in told if r.type.startswith("escalation.")]
    assert [
        (r.body["level"], r.body["role"], r.body.get("office"), r.body.get("reason"), r.instant("escalated_at"))
        for r in levels
    ] == [
        (1, "liaison", HOLDER, None, a_case.at(7, 24)),
        (2, "secretary", "kalsel-setda", None, a_case.at(9, 24)),
        (3, "minister", None, "no_channel", a_case.at(11, 24)),
        (4, "ombudsman", "ombudsman", None, a_case.at(11, 24)),
    ]
    assert len(await a_case.until(60)) == len(told), "each once, also when their own limits come"


async def test_wish_19_an_agency_without_a_superior(a_case: Case) -> None:
    await a_case.begin(TOP)
    told = await a_case.until(9, 24)
    impossible, called = [r.body for r in told if r.type.startswith("escalation.")][1:3]
    assert (impossible["level"], impossible["reason"]) == (2, "no_superior")
    assert (called["level"], called["reason"], called["escalated_at"]) == (3, "no_channel", impossible["escalated_at"])


async def test_a_late_answer_ends_the_escalation_and_one_in_time_the_warnings(a_case: Case) -> None:
    await a_case.begin()
    await a_case.until(8)
    await a_case.does("replied", 8)
    told = await a_case.until(40)
    assert [r.body["level"] for r in told if r.type.startswith("escalation.")] == [1]
    swift = await Case(a_case.monitor, a_case.clock, a_case.wire, a_case.deadlines).begin()
    await swift.does("replied", 1)
    assert words(await swift.until(30)) == ["started", "met"]


async def test_a_transfer_after_the_breach_ends_the_first_holders_escalation(a_case: Case) -> None:
    await a_case.begin()
    await a_case.until(8)
    await a_case.send(routed(a_case.id, a_case.at(8), TOP, 2))
    told = await a_case.until(20)
    assert [r.body["level"] for r in told if r.type == "escalation.raised.v1" and r.body["holder"] == 1] == [1]
    assert words([r for r in told if r.body["holder"] == 2])[0] == "started"


async def test_a_question_to_the_citizen_pauses_the_clock_and_the_answer_resumes_it(a_case: Case) -> None:
    await a_case.begin()
    await a_case.does("information_requested", 2)
    [paused] = [r for r in await a_case.told() if r.type == "deadline.paused.v1"]
    assert paused.instant("occurred_at") == a_case.at(2)
    assert "due_at" not in paused.body, "while it stands nothing is due"
    told = await a_case.until(14)
    assert words(told) == ["started", "paused"], "and nobody is warned"
    await a_case.does("information_received", 14)
    [resumed] = [r for r in await a_case.told() if r.type == "deadline.resumed.v1"]
    assert resumed.instant("occurred_at") == a_case.at(14)
    # Tuesday was counted; Wednesday to the Friday of the week after are excluded; the Monday of the answer is the second.
    assert resumed.instant("due_at") == a_case.at(17, 24)
    for day in (15, 17):
        await a_case.until(day, 9)
    told = await a_case.until(17, 24)
    assert words(told)[-3:] == ["at_risk", "breached", "escalation.raised"]
    assert [r.instant("at_risk_at") for r in told if r.type == "deadline.at_risk.v1"] == [
        a_case.at(15, 7.5),
        a_case.at(17, 7.5),
    ]


async def test_wish_08_straight_from_paused_to_answered(a_case: Case) -> None:
    await a_case.begin()
    await a_case.does("information_requested", 2)
    await a_case.does("replied", 20)
    assert words(await a_case.until(30)) == ["started", "paused", "met"]


async def test_an_extension_moves_the_date_once_and_says_why(a_case: Case) -> None:
    await a_case.begin()
    await a_case.does("extended", 3)
    [moved] = [r for r in await a_case.told() if r.type == "deadline.recalculated.v1"]
    assert (moved.body["reason"], moved.body["deadline_version"]) == ("facts", 2)
    assert (moved.instant("previous_due_at"), moved.instant("due_at")) == (a_case.at(7, 24), a_case.at(9, 24))
    assert "breached" not in words(await a_case.until(9))
    assert "breached" in words(await a_case.until(9, 24))


async def test_an_answer_entered_in_error_is_taken_back_and_the_clock_runs_on(a_case: Case) -> None:
    await a_case.begin()
    action = uuid4()
    await a_case.does("replied", 1, action=action)
    await a_case.does("action_withdrawn", 2, withdraws=action, action=uuid4())
    assert words(await a_case.told()) == ["started", "met", "started"], "it runs again, by the date that it had"
    told = await a_case.until(7, 24)
    [breach] = [r for r in told if r.type == "deadline.breached.v1"]
    assert breach.instant("due_at") == a_case.at(7, 24)


async def test_a_question_entered_in_error_never_stopped_the_clock(a_case: Case) -> None:
    await a_case.begin()
    action = uuid4()
    await a_case.does("information_requested", 2, action=action)
    await a_case.does("action_withdrawn", 9, withdraws=action)
    told = await a_case.until(9, 10)
    assert words(told)[:4] == ["started", "paused", "resumed", "breached"]
    assert [r.instant("breached_at") for r in told if r.type == "deadline.breached.v1"] == [a_case.at(7, 24)]


async def test_wish_06_a_day_of_downtime_misses_no_warning(a_case: Case) -> None:
    """The monitor is away while a threshold passes, and says it when it is back; of one whose deadline has passed as well it
    says only the breach."""
    await a_case.begin()
    monitor, clock = a_case.monitor, a_case.clock
    monitor.stop()
    clock.step(a_case.at(4, 9))
    clock.settle()
    monitor.start()
    told = await a_case.until(4, 9)
    [late] = [r for r in told if r.type == "deadline.at_risk.v1"]
    assert (late.instant("at_risk_at"), late.instant("detected_at")) == (a_case.at(3, 7.5), a_case.at(4, 9))
    monitor.stop()
    clock.step(a_case.at(8, 9))
    clock.settle()
    monitor.start()
    told = await a_case.until(8, 9)
    assert words(told) == ["started", "at_risk", "breached", "escalation.raised"]


async def test_wish_20_a_breach_is_found_though_nobody_asks(a_case: Case) -> None:
    """No page is opened, no receipt is fetched, no further fact arrives."""
    await a_case.begin()
    assert "breached" in words(await a_case.until(7, 24))
