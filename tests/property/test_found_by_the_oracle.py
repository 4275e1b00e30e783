"""What the oracle found in the engine, each by the name of the promise that it broke."""

from datetime import timedelta

from tests.unit.sla_monitor.cases import FIVE_DAY, SIX_DAY, at, working_days

from amanah_sla_monitor.domain.rules import CutOff, Unit, term
from amanah_sla_monitor.domain.thresholds import threshold


def test_a_warning_of_hours_is_never_said_after_the_due_instant() -> None:
    start = at("2026-06-01 14:00")  # due on Tuesday at 02:00, while the office is closed
    said = threshold(term(Unit.HOUR, 12), FIVE_DAY, start, 90)
    assert said is None or start <= said < start + timedelta(hours=12)


def test_a_warning_on_the_start_day_is_never_said_at_night() -> None:
    counting = working_days(17, start_day_counts=True, cut_off=CutOff.NONE)
    said = threshold(counting, SIX_DAY, at("2026-04-25 19:07"), 2)  # of day 1, a Saturday, when the office had closed
    assert said in (None, at("2026-04-27 07:30"))
