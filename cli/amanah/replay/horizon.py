"""How long nothing can fall due, so that the pipeline need not drain before every instant. Pure."""

from datetime import datetime

from amanah_sla_monitor.domain.calendars import OutOfCalendar
from amanah_sla_monitor.domain.counting import due
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Bound, Rule, Unit

OWN_TIME = frozenset({"complaint.submitted", "case.resolved"})
"""Facts that a replay dates by the log; all others happen when the system comes to them."""


def quiet_from(law: Law, at: datetime) -> datetime | None:
    """No clock that starts at `at` or later falls due before this instant, where the log itself does not name it. None:
    that cannot be said, since this law looks at when the system does something, or warns before the due instant."""
    running = [rule for rules in law.rules.by_stage.values() for rule in rules]
    counted = [rule for rule in running if rule.term.unit is not Unit.GIVEN]
    if not counted or not all(_by_the_log(rule) for rule in running):
        return None
    # A later start, a pause or an extension only moves a date further, and any calendar may be the holder's.
    try:
        dates = [due(rule.term, calendar, at) for rule in counted for calendar in law.calendars.by_id.values()]
    except OutOfCalendar:
        return None
    return min(date for date in dates if date is not None)


def _by_the_log(rule: Rule) -> bool:
    facts = rule.starts | rule.stops | rule.pauses | rule.resumes | (rule.extension.facts if rule.extension else set())
    return rule.bound is Bound.CITIZEN and facts <= OWN_TIME and not rule.thresholds
