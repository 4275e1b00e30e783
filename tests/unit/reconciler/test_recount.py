"""The second pair of eyes itself, against dates worked out by hand from the words of the law and the calendar of 2026."""

import ast
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import amanah_sla_monitor.reconciler as second
from amanah import project
from amanah_sla_monitor.reconciler.compare import Reason, gaps
from amanah_sla_monitor.reconciler.law import Law, Rule, read
from amanah_sla_monitor.reconciler.recount import Pause, due, merged, warning

WITA = ZoneInfo("Asia/Makassar")
LAW = read(project.pack("id"))
FIVE_DAY = LAW.offices["five-day"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=WITA)


def rule(unit: str = "working_day", length: int = 5, **more: Any) -> Rule:
    works = unit == "working_day"
    plain = {"cut_off": "closing" if works else "none", "day_off_start_moves": works}
    facts = {"starts": frozenset({"complaint.submitted"}), "stops": frozenset({"case.resolved"})}
    return Rule("r", "1", "stage", False, unit, length, **(plain | facts | more))


def last_day(r: Rule, start: str, pauses: Sequence[Pause] = (), extension: int = 0) -> str:
    instant = due(r, FIVE_DAY, at(start), pauses, extension)
    return str((instant - timedelta(microseconds=1)).date()) if instant else "never"


def test_the_pure_parts_import_nothing_of_the_service() -> None:
    for name in ("law", "recount", "casefile", "compare"):
        tree = ast.parse((Path(second.__file__).parent / f"{name}.py").read_text())
        modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = [module for module in modules if module.startswith("amanah")]
        assert all(module.startswith("amanah_sla_monitor.reconciler.") for module in ours), name


@pytest.mark.parametrize(
    ("start", "expected"), [("2026-03-16 09:00", "2026-03-30"), ("2026-05-13 09:00", "2026-05-22")]
)
def test_five_working_days_over_collective_leave(start: str, expected: str) -> None:
    assert last_day(LAW.rule("SP4N-2"), start) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-06-02 15:59", "2026-06-03"),
        ("2026-06-02 16:00", "2026-06-04"),  # at closing time: Wednesday's
        ("2026-06-05 16:29", "2026-06-08"),  # on Fridays half an hour later
        ("2026-06-05 16:30", "2026-06-09"),
        ("2026-06-06 10:00", "2026-06-09"),
        ("2026-06-01 10:00", "2026-06-03"),  # Pancasila, a Monday: belongs to Tuesday
    ],
)
def test_a_start_at_closing_or_on_a_day_off_belongs_to_the_next_working_day(start: str, expected: str) -> None:
    assert last_day(rule(length=1), start) == expected


@pytest.mark.parametrize(
    ("pauses", "budget", "expected"),
    [
        ([("2026-06-04 10:00", "2026-06-04 15:00")], None, "2026-06-08"),
        ([("2026-06-04 10:00", "2026-06-05 08:00")], None, "2026-06-09"),
        ([("2026-06-04 10:00", "2026-06-08 08:00"), ("2026-06-05 09:00", "2026-06-09 08:00")], None, "2026-06-11"),
        ([("2026-06-08 23:59", "2026-06-10 08:00")], None, "2026-06-10"),
        ([("2026-06-09 00:00", None)], None, "2026-06-08"),
        ([("2026-06-08 10:00", None)], None, "never"),
        ([("2026-06-03 10:00", None)], 2, "2026-06-10"),
        ([("2026-06-03 10:00", None)], 0, "2026-06-08"),
    ],
)
def test_a_pause_excludes_its_own_date_to_the_day_before_its_resumption(
    pauses: list[tuple[str, str | None]], budget: int | None, expected: str
) -> None:
    spans = [(at(begins), at(ends) if ends else None) for begins, ends in pauses]
    assert last_day(rule(length=4, budget=budget), "2026-06-02 09:00", spans) == expected


def test_other_units() -> None:
    assert last_day(rule("calendar_day", 14), "2026-06-01 23:30") == "2026-06-15"
    assert last_day(rule("calendar_day", 5), "2026-06-01 23:30") == "2026-06-06"
    assert last_day(rule("calendar_day", 5, rolls=True), "2026-06-01 23:30") == "2026-06-08"
    assert last_day(rule("month", 1), "2026-01-31 10:00") == "2026-02-28"
    start, hour = at("2026-03-19 10:00"), timedelta(hours=1)
    assert due(rule("hour", 72), FIVE_DAY, start) == start + 72 * hour
    assert due(rule("hour", 72), FIVE_DAY, start, [(start + hour, start + 3 * hour)]) == start + 74 * hour
    assert due(rule("hour", 72), FIVE_DAY, start, [(start + hour, None)]) is None
    too_late = start + 72 * hour + timedelta(microseconds=1)
    assert due(rule("hour", 72), FIVE_DAY, start, [(too_late, None)]) == start + 72 * hour
    assert due(rule("hour", 72), FIVE_DAY, start, [(start + 72 * hour, None)]) is None, "not after the due instant"


def test_extension_close_of_business_and_warnings() -> None:
    assert last_day(rule(length=4), "2026-06-02 09:00", extension=1) == "2026-06-09"
    assert due(rule(length=3, close_of_business=True), FIVE_DAY, at("2026-06-02 09:00")) == at("2026-06-05 16:30")
    assert warning(rule(length=5), FIVE_DAY, at("2026-06-02 09:00"), 50) == at("2026-06-05 07:30"), "day 3 of 5"
    assert warning(rule(length=5), FIVE_DAY, at("2026-06-02 09:00"), None) == at("2026-06-09 07:30")


def test_pauses_that_overlap_or_touch_are_one() -> None:
    a, b, c, d = (at(f"2026-06-0{n} 09:00") for n in (1, 2, 3, 4))
    assert merged([(c, d), (a, b)]) == [(a, b), (c, d)]
    assert merged([(b, d), (a, c)]) == merged([(a, b), (b, d)]) == [(a, d)]
    assert merged([(d, a), (b, None), (c, c)]) == [(b, None)]


# -- compared with what was said -----------------------------------------------------------------------------------------

FILED, DUE, LATER = "2026-06-02T01:00:00+00:00", "2026-06-05T16:00:00+00:00", at("2026-06-07 09:00")


def forwarding_only() -> Law:
    return Law((LAW.rule("SP4N-1"),), LAW.offices, LAW.default, {}, {}, LAW.channels, LAW.actors)


def fact(kind: str, when: str, source: str = "intake", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "source": source, "seq": 1, "occurred_at": when, "received_at": when, **more}


def breach(due_at: str) -> dict[str, Any]:
    return {"stage": "forwarding", "holder": 0, "due_at": due_at}


def clock(**more: Any) -> dict[str, Any]:
    known = LAW.rule("SP4N-1")
    row = {"stage": "forwarding", "holder": 0, "rule": known.id, "rule_version": known.version}
    return row | {"calendar": FIVE_DAY.label} | more


ROUTED_IN_TIME = fact("complaint.routed", DUE, "routing", assignment=1, agency="a")


@pytest.mark.parametrize(
    ("facts", "said", "until", "reason"),
    [
        ([], [DUE], LATER, None),
        ([], [], LATER, Reason.NOT_SAID),
        ([], [], at("2026-06-05 23:59"), None),  # not due yet
        ([], ["2026-06-04T16:00:00+00:00"], LATER, Reason.OTHERWISE),
        ([], [DUE, "2026-06-04T16:00:00+00:00"], LATER, Reason.OTHERWISE),  # twice
        ([], ["2026-06-04T16:00:00+00:00"], at("2026-06-05 12:00"), Reason.IN_ERROR),  # early
        ([ROUTED_IN_TIME], [], LATER, None),
        ([ROUTED_IN_TIME], [DUE], LATER, Reason.IN_ERROR),
    ],
)
def test_each_difference_is_found(facts: list[Any], said: list[str], until: datetime, reason: Reason | None) -> None:
    known = [fact("complaint.submitted", FILED), *facts]
    found = gaps(forwarding_only(), known, [clock()], [breach(instant) for instant in said], until)
    assert [gap.reason for gap in found] == ([reason] if reason else [])


@pytest.mark.parametrize("other", [{"rule_version": "of another year"}, {"calendar": "five-day@of-another-year"}])
def test_a_clock_counted_by_law_that_the_pack_no_longer_holds_is_not_judged(other: dict[str, str]) -> None:
    known = [fact("complaint.submitted", FILED)]
    assert gaps(forwarding_only(), known, [clock(**other)], [breach("2026-06-04T16:00:00+00:00")], LATER) == []


def test_a_case_without_any_clock_is_a_gap_once_it_has_been_filed() -> None:
    routed_only = [fact("complaint.routed", FILED, "routing", assignment=1, agency="a")]
    assert gaps(forwarding_only(), routed_only, [], [], LATER) == [], "its filing may still arrive"
    nothing = Law((), LAW.offices, LAW.default, {}, {}, frozenset(), frozenset())
    [gap] = gaps(nothing, [fact("complaint.submitted", FILED)], [], [], LATER)
    assert gap.reason is Reason.NO_RULE
