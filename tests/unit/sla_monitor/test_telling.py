"""At which instant clocks are folded, when the ticker and a fact meet."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from tests.unit.sla_monitor.cases import CALENDARS, at, minutes, routed, rule, submitted

from amanah_sla_monitor.domain.clocks import State, clocks
from amanah_sla_monitor.domain.diff import What, row
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Unit, rules, term
from amanah_sla_monitor.telling import decide

FILED = at("2026-06-02 09:00")
DUE = FILED + minutes(30)
LAW = Law("test", rules(rule("resolution", term(Unit.GIVEN, 0))), CALENDARS)
COMPLAINT = UUID(int=7)
MOMENT = timedelta(microseconds=1)


def transaction(settled: Any) -> Any:
    return SimpleNamespace(settled=settled, now=settled)


def test_a_breach_that_the_ticker_said_meanwhile_is_not_taken_back() -> None:
    """The transaction read the clock a moment before the due instant and came to its locks after the ticker."""
    filed = submitted(FILED, given=DUE)
    [breached] = clocks([filed], LAW.rules, CALENDARS, DUE)
    told = {COMPLAINT: {("resolution", 0): row(breached, DUE)}}
    found = decide(transaction(DUE - MOMENT), LAW, {COMPLAINT: [filed, routed(FILED)]}, told)
    assert found.decisions == []
    assert all(changed.state is State.BREACHED for _, changed in found.changed)


def test_while_facts_of_the_past_lie_unread_what_has_passed_is_left_to_the_ticker() -> None:
    filed = submitted(FILED, given=DUE)
    found = decide(transaction(DUE + minutes(5)), LAW, {COMPLAINT: [filed]}, {}, nothing_is_due=True)
    assert [decision.what for _, decision in found.decisions] == [What.STARTED]
    [(_, stored)] = found.changed
    assert (stored.state, stored.next_fire_at) == (State.RUNNING, DUE)
    at_once = decide(transaction(DUE + minutes(5)), LAW, {COMPLAINT: [filed]}, {})
    assert [decision.what for _, decision in at_once.decisions] == [What.STARTED, What.BREACHED]
