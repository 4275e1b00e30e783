"""`amanah bench recalculate`: its law, its cases and what it reckons, without servers."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from amanah import project
from amanah.bench import recalculate_law
from amanah.bench.recalculate_figures import Case, Said, Work, dates, moved, outcome, recalculate_line
from amanah.bench.recalculate_law import PROMISED, Start
from amanah.fault import Fault
from amanah_sla_monitor.domain.clocks import State, clocks
from amanah_sla_monitor.domain.diff import row
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.pack import load_law

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
"""A Wednesday afternoon in Banjarmasin."""
THURSDAY = date(2026, 11, 26)
ONE = UUID(int=1)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return recalculate_law.copied(project.pack("id"), tmp_path / "pack")


@pytest.fixture
def law(pack: Path) -> Law:
    return load_law(pack)


@pytest.fixture
def new(pack: Path, law: Law) -> Law:
    """With Thursday free."""
    recalculate_law.free(pack, THURSDAY)
    return load_law(pack)


def case(law: Law, filed_at: datetime, promised: datetime | None = None) -> Case:
    """As it stands at NOW."""
    facts = recalculate_law.facts(Start(filed_at, filed_at + timedelta(minutes=5), "kalsel-pupr"), promised)
    folded = clocks(facts, law.rules, law.calendars, NOW)
    return Case(ONE, facts, {(c.stage, c.holder): row(c, NOW, None, law.offices) for c in folded})


def states(case: Case) -> dict[str, State]:
    return {stage: row.state for (stage, _), row in case.told.items()}


def test_two_clocks_of_each_case_run(law: Law) -> None:
    assert states(case(law, NOW - timedelta(hours=3))) == {
        "forwarding": State.MET,
        "first_reply": State.RUNNING,
        "response": State.RUNNING,
    }


def test_a_promise_is_a_clock_beside_these(law: Law) -> None:
    promised = case(law, NOW - timedelta(hours=3), NOW + timedelta(seconds=1))
    assert promised.running == 3
    assert promised.told[PROMISED, 0].next_fire_at == NOW + timedelta(seconds=1)


def test_the_day_that_is_freed_is_the_next_working_day(law: Law) -> None:
    calendar = law.calendars.of(None, None)
    assert recalculate_law.next_working_day(calendar, NOW) == THURSDAY
    assert recalculate_law.next_working_day(calendar, NOW + timedelta(days=2)) == date(2026, 11, 30)


def test_another_holiday_moves_the_clock_of_working_days_and_rewrites_the_other(law: Law, new: Law) -> None:
    running = case(law, NOW - timedelta(hours=3))
    difference = outcome(running, new, NOW)
    assert moved(difference) == ["first_reply"]
    assert {changed.stage for changed in difference.changed} == {"first_reply", "response"}
    before = running.told["first_reply", 1].due_at
    assert before is not None
    after = dates([running], new, NOW)["kalsel-pupr", "first_reply", NOW - timedelta(hours=3, minutes=-5)]
    assert (after.due_at, after.deadline_version) == (before + timedelta(days=1), 2)
    assert after.calendar == f"five-day@2026.1 and {THURSDAY}"
    assert len(json.loads(after.marks or "[]")) == 7


def test_every_calendar_has_a_new_version(law: Law, new: Law) -> None:
    before = {calendar.label for calendar in law.calendars.by_id.values()}
    after = {calendar.label for calendar in new.calendars.by_id.values()}
    assert len(after) == len(before)
    assert not after & before


def test_a_year_without_a_list_is_said(pack: Path) -> None:
    with pytest.raises(Fault, match=r"calendars\.yaml"):
        recalculate_law.free(pack, date(2099, 1, 5))


def test_cases_are_filed_at_many_instants_of_the_last_working_days(law: Law) -> None:
    agencies = ["one", "two", "three"]
    planned = list(recalculate_law.starts(200, law.calendars.of(None, None), agencies, NOW, Random(1)))
    assert len({start.filed_at for start in planned}) == 200
    assert {start.agency for start in planned} == set(agencies)
    assert all(start.filed_at < start.routed_at <= start.filed_at + timedelta(minutes=50) for start in planned)
    assert all(start.routed_at < NOW for start in planned)
    oldest = min(start.filed_at for start in planned)
    assert NOW - timedelta(days=8) < oldest < NOW - timedelta(days=5)


def said(*clocks: tuple[UUID, str]) -> Said:
    return Said(Counter(clocks), 5000, {})


def test_what_is_doubled_missed_or_unasked_is_counted() -> None:
    two = UUID(int=2)
    found = said((ONE, "first_reply"), (ONE, "first_reply"), (two, "response"))
    assert (found.doubled(), found.missed({(ONE, "first_reply"), (two, "first_reply")})) == (1, 1)
    assert found.unasked({(ONE, "first_reply"), (two, "first_reply")}) == 1


def test_the_line() -> None:
    line = recalculate_line(
        1_000_000,
        Work(40.0, 30.5, 480_000, 99.94),
        bare=50_000.0,
        said=said((ONE, "first_reply")),
        expected={(ONE, "first_reply")},
        in_kafka=55.0,
        late=[8.0] * 98 + [300.0, 400.0],
        load=0.4,
    )
    assert line.words() == "recalculate: 25,000 clocks/s; bare loop 50,000; ratio 0.5"
    assert line.more["seconds"] == 40.0
    assert (line.more["moved"], line.more["doubled"], line.more["missed"], line.more["unasked"]) == (480_000, 0, 0, 0)
    assert (line.more["ticker_p50_ms"], line.more["ticker_p99_ms"], line.more["ticker_worst_ms"]) == (8.0, 300.0, 400.0)
    assert (line.more["cpu_seconds"], line.more["rss_mb"], line.more["in_kafka_seconds"]) == (30.5, 99.9, 55.0)
