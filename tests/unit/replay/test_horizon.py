"""How long a replay under counted deadlines may go on without asking what falls due."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah.replay.horizon import quiet_from
from amanah_sla_monitor.domain.calendars import Calendar, Calendars
from amanah_sla_monitor.domain.counting import due
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Bound, Rule, Threshold, Unit, rules, term

NEW_YORK = ZoneInfo("America/New_York")
FIVE, SIX = (
    Calendar(name, "1", NEW_YORK, dict.fromkeys(range(days), ((time(9), time(17)),)))
    for name, days in (("five", 5), ("six", 6))
)
CALENDARS = Calendars({"five": FIVE, "six": SIX}, "five", {"dot": "six"})
THURSDAY = datetime(2018, 6, 7, 10, tzinfo=NEW_YORK)


def rule(unit: Unit, length: int, **more: Any) -> Rule:
    fields: dict[str, Any] = {
        "id": f"{unit}-{length}",
        "version": "1",
        "stage": f"{unit}_{length}",
        "bound": Bound.CITIZEN,
        "term": term(unit, length),
        "starts": frozenset({"complaint.submitted"}),
        "stops": frozenset({"case.resolved"}),
        "valid_from": date.min,
        "law": "a law",
        "verified": False,
    }
    return Rule(**(fields | more))


def law(*each: Rule) -> Law:
    return Law("pack", rules(*each), CALENDARS)


def midnight_after(day: int) -> datetime:
    return datetime(2018, 6, day + 1, tzinfo=NEW_YORK)


def test_the_shortest_rule_by_the_calendar_that_counts_most_days() -> None:
    found = quiet_from(law(rule(Unit.WORKING_DAY, 2), rule(Unit.CALENDAR_DAY, 30)), THURSDAY)
    assert found == midnight_after(9), "Friday and Saturday, for an agency that works six days"


def test_a_date_of_the_source_is_an_instant_of_the_log_and_does_not_count() -> None:
    assert quiet_from(law(rule(Unit.HOUR, 5), rule(Unit.GIVEN, 0)), THURSDAY) == THURSDAY + timedelta(hours=5)


@pytest.mark.parametrize(
    "watchful",
    [
        {"bound": Bound.HOLDER},
        {"starts": frozenset({"complaint.routed"})},
        {"stops": frozenset({"case.resolved", "case.acknowledged"})},
        {"pauses": frozenset({"case.replied"})},
        {"thresholds": (Threshold("half", 50),)},
    ],
)
def test_nothing_is_promised_where_the_law_looks_at_what_the_system_does_when(watchful: dict[str, Any]) -> None:
    assert quiet_from(law(rule(Unit.WORKING_DAY, 2), rule(Unit.HOUR, 9, **watchful)), THURSDAY) is None


def test_nor_where_nothing_is_counted() -> None:
    assert quiet_from(law(rule(Unit.GIVEN, 0)), THURSDAY) is None


UNITS = st.sampled_from([Unit.WORKING_DAY, Unit.CALENDAR_DAY, Unit.HOUR, Unit.MONTH])
INSTANTS = st.datetimes(datetime(2018, 1, 1), datetime(2019, 12, 31), timezones=st.just(UTC))


@given(UNITS, st.integers(1, 40), INSTANTS, st.timedeltas(timedelta(), timedelta(days=60)))
def test_whatever_starts_later_falls_due_no_sooner(unit: Unit, length: int, at: datetime, later: timedelta) -> None:
    quiet = quiet_from(law(rule(unit, length)), at)
    assert quiet is not None
    for calendar in (FIVE, SIX):
        date = due(term(unit, length), calendar, at + later)
        assert date is not None
        assert date >= quiet
