"""The fold and its difference: tables of cases."""

from datetime import timedelta

import pytest
from tests.unit.sla_monitor.cases import (
    CALENDARS,
    FIRST_REPLY,
    RULES,
    at,
    case,
    minutes,
    routed,
    rule,
    submitted,
    working_days,
)

from amanah_sla_monitor.domain.clocks import Clock, State, clocks
from amanah_sla_monitor.domain.diff import Ground, Stored, What, diff, row
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.rules import Applies, Bound, rules

FILED = at("2026-06-01 09:00")
DUE = at("2026-06-02 12:00")
MUCH_LATER = at("2026-09-01 00:00")


def fold(*facts: Fact, now: object = MUCH_LATER) -> dict[tuple[str, int], Clock]:
    return {(c.stage, c.holder): c for c in clocks(facts, RULES, CALENDARS, now)}  # type: ignore[arg-type]


def given_clock(*facts: Fact, now: object = MUCH_LATER) -> Clock:
    return fold(submitted(FILED, given=DUE), *facts, now=now)["resolution", 0]


@pytest.mark.parametrize(
    ("resolved", "now", "state"),
    [
        (None, DUE - minutes(1), State.RUNNING),
        (None, DUE, State.BREACHED),
        (DUE - minutes(1), DUE, State.MET),
        (DUE, DUE, State.MET),  # in time: not after the due instant
        (DUE + timedelta(microseconds=1), DUE + minutes(1), State.BREACHED),
    ],
)
def test_a_given_deadline(resolved: object, now: object, state: State) -> None:
    facts = [] if resolved is None else [case("resolved", resolved)]  # type: ignore[arg-type]
    assert given_clock(*facts, now=now).state is state


def test_without_a_promise_there_is_no_given_clock() -> None:
    assert ("resolution", 0) not in fold(submitted(FILED))


def test_a_reply_is_not_a_resolution() -> None:
    assert given_clock(case("replied", DUE - minutes(5))).state is State.BREACHED


def test_a_claim_counts_from_its_receipt_unless_the_actor_may_backdate() -> None:
    late = DUE + minutes(60)
    assert given_clock(case("resolved", late, claimed=DUE - minutes(5))).state is State.BREACHED
    assert given_clock(case("resolved", late, claimed=DUE - minutes(5), actor="officer")).state is State.MET


def test_a_claim_of_the_future_counts_from_its_receipt() -> None:
    early = case("resolved", DUE - minutes(5), claimed=DUE + minutes(60), actor="officer")
    assert given_clock(early).ended_at == DUE - minutes(5)


def test_an_officer_may_backdate_the_start() -> None:
    typed_in = submitted(at("2026-06-08 09:00"), claimed=at("2026-06-01 09:00"), channel="counter")
    assert fold(typed_in)["forwarding", 0].due_at == at("2026-06-05 00:00")
    online = submitted(at("2026-06-08 09:00"), claimed=at("2026-06-01 09:00"), channel="web")
    assert fold(online)["forwarding", 0].due_at == at("2026-06-12 00:00")


def test_a_transfer_starts_the_next_holders_clock_and_leaves_the_citizens() -> None:
    handed_over = at("2026-06-04 09:00")
    before = fold(submitted(FILED, given=DUE), routed(FILED))
    after = fold(submitted(FILED, given=DUE), routed(FILED), routed(handed_over, "dukcapil", 2))
    assert after["first_reply", 1].state is State.CANCELLED
    assert after["first_reply", 1].ended_at == handed_over
    assert after["first_reply", 2].due_at == at("2026-06-12 00:00")
    assert after["first_reply", 2].agency == "dukcapil"
    assert after["response", 0].due_at == before["response", 0].due_at
    assert after["response", 0].agency == "dukcapil", "who holds the case now answers to the citizen"


def test_a_transfer_after_the_due_instant_leaves_the_breach_where_it_happened() -> None:
    after = fold(submitted(FILED), routed(FILED), routed(at("2026-06-20 09:00"), "dukcapil", 2))
    assert after["first_reply", 1].state is State.BREACHED


def test_an_answer_before_the_transfer_met_the_deadline() -> None:
    facts = [
        submitted(FILED),
        routed(FILED),
        case("replied", at("2026-06-03 09:00")),
        routed(at("2026-06-04 09:00"), "b", 2),
    ]
    assert fold(*facts)["first_reply", 1].state is State.MET
    assert fold(*facts, now=at("2026-06-05 09:00"))["first_reply", 2].state is State.RUNNING, (
        "the new holder has not answered"
    )


def test_a_case_that_comes_back_is_a_new_holding() -> None:
    back = [routed(FILED, "a", 1), routed(at("2026-06-02 09:00"), "b", 2), routed(at("2026-06-03 09:00"), "a", 3)]
    folded = fold(submitted(FILED), *back, case("replied", at("2026-06-04 09:00"), "a"))
    assert [folded["first_reply", n].state for n in (1, 2, 3)] == [State.CANCELLED, State.CANCELLED, State.MET]


def test_the_newest_assignment_holds_the_case_whatever_two_machines_clocks_say() -> None:
    folded = fold(routed(at("2026-06-01 10:01"), "a", 1), routed(at("2026-06-01 10:00"), "b", 2))
    assert folded["first_reply", 1].ended_at == at("2026-06-01 10:00")
    assert (folded["first_reply", 2].agency, folded["first_reply", 2].ended_at) == ("b", None)


def test_the_first_of_several_answers_counts() -> None:
    late, early = case("resolved", DUE + minutes(9), seq=2), case("resolved", DUE - minutes(9))
    assert given_clock(late, early).ended_at == DUE - minutes(9)


def test_of_two_answers_at_one_instant_the_order_of_arrival_decides_nothing() -> None:
    answers = [case("replied", at("2026-06-02 09:00")), case("resolved", at("2026-06-02 09:00"), seq=2)]
    one, other = fold(routed(FILED), *answers), fold(routed(FILED), *reversed(answers))
    assert one["first_reply", 1].ended_by == other["first_reply", 1].ended_by == "case.replied"


def test_the_calendar_is_the_holders() -> None:
    five, six = fold(routed(FILED, "dinas")), fold(routed(FILED, "six"))
    assert five["first_reply", 1].due_at == at("2026-06-09 00:00")
    assert six["first_reply", 1].due_at == at("2026-06-07 00:00")
    assert six["first_reply", 1].calendar is CALENDARS.by_id["six-day"]


def test_the_first_rule_in_force_that_covers_decides() -> None:
    from datetime import date

    old = rule("reply", working_days(5), id="old", valid_to=date(2026, 5, 31))
    urgent = rule(
        "reply",
        working_days(1),
        id="urgent",
        valid_from=date(2026, 6, 1),
        applies=Applies(categories=frozenset({"fire"})),
    )
    new = rule("reply", working_days(3), id="new", valid_from=date(2026, 6, 1))
    law = rules(old, urgent, new)
    [before] = clocks([submitted(at("2026-05-31 23:59"))], law, CALENDARS, FILED)
    [after] = clocks([submitted(at("2026-06-01 00:00"))], law, CALENDARS, FILED)
    assert (before.rule.id, after.rule.id) == ("old", "new")


def test_pauses_by_facts() -> None:
    law = rules(
        rule("reply", working_days(4), pauses=frozenset({"case.acknowledged"}), resumes=frozenset({"case.replied"}))
    )
    stands = [submitted(FILED), case("acknowledged", at("2026-06-03 10:00"))]
    [clock] = clocks(stands, law, CALENDARS, MUCH_LATER)
    assert (clock.state, clock.due_at) == (State.PAUSED, None)
    [clock] = clocks([*stands, case("replied", at("2026-06-04 10:00"), seq=2)], law, CALENDARS, FILED)
    assert (clock.state, clock.due_at) == (State.RUNNING, at("2026-06-09 00:00"))
    [clock] = clocks([*stands, case("resolved", at("2026-07-04 10:00"), seq=2)], law, CALENDARS, MUCH_LATER)
    assert clock.state is State.MET, "straight from paused to resolved"


# -- the difference ------------------------------------------------------------------------------------------------------


def step(stored: dict[tuple[str, int], Stored], *facts: Fact, now: object) -> list[What]:
    """One arrival or tick: folds, stores, and answers what is said."""
    difference = diff(stored, clocks(facts, GIVEN_ONLY, CALENDARS, now), now)  # type: ignore[arg-type]
    stored |= {(r.stage, r.holder): r for r in difference.changed}
    return [decision.what for decision in difference.decisions]


GIVEN_ONLY = rules(RULES.by_stage["resolution"][0])


def test_a_breach_is_said_once_and_taken_back_when_a_fact_in_time_is_learnt_of_late() -> None:
    stored: dict[tuple[str, int], Stored] = {}
    filed = submitted(FILED, given=DUE)
    assert step(stored, filed, now=FILED) == [What.STARTED]
    assert step(stored, filed, now=DUE - minutes(1)) == []
    assert step(stored, filed, now=DUE) == [What.BREACHED]
    assert step(stored, filed, now=DUE + minutes(5)) == []
    in_time = case("resolved", DUE - minutes(1))
    assert step(stored, filed, in_time, now=DUE + minutes(6)) == [What.BREACH_WITHDRAWN, What.MET]
    assert step(stored, filed, in_time, in_time, now=MUCH_LATER) == []


def test_an_answer_too_late_is_kept_beside_the_breach_and_says_nothing() -> None:
    stored: dict[tuple[str, int], Stored] = {}
    filed = submitted(FILED, given=DUE)
    step(stored, filed, now=DUE)
    assert step(stored, filed, case("resolved", DUE + minutes(1)), now=DUE + minutes(1)) == []
    assert stored["resolution", 0].ended_at == DUE + minutes(1)


def test_everything_at_once_says_everything_in_order() -> None:
    filed = submitted(FILED, given=DUE)
    assert step({}, filed, case("resolved", DUE - minutes(1)), now=DUE) == [What.STARTED, What.MET]
    assert step({}, filed, now=DUE) == [What.STARTED, What.BREACHED]
    assert step({}, submitted(FILED, given=FILED - minutes(60)), now=FILED) == [What.STARTED, What.BREACHED]


def test_only_a_clock_that_may_still_fire_wants_to_be_looked_at() -> None:
    assert row(given_clock(now=FILED), FILED).next_fire_at == DUE
    assert row(given_clock(now=DUE), DUE).next_fire_at is None
    assert row(given_clock(case("resolved", FILED), now=FILED), FILED).next_fire_at is None


def test_another_start_is_another_deadline_version() -> None:
    law = rules(rule("settlement", working_days(60), starts=["case.acknowledged"], bound=Bound.CITIZEN))
    second, first = case("acknowledged", at("2026-06-03 09:00"), seq=2), case("acknowledged", at("2026-06-02 09:00"))
    stored: dict[tuple[str, int], Stored] = {}
    difference = diff(stored, clocks([second], law, CALENDARS, FILED), FILED)
    stored = {(r.stage, r.holder): r for r in difference.changed}
    difference = diff(stored, clocks([second, first], law, CALENDARS, FILED), FILED)
    assert [(d.what, d.deadline_version) for d in difference.decisions] == [(What.RECALCULATED, 2)]
    assert (difference.decisions[0].why, difference.decisions[0].previous_due_at) == (
        Ground.START,
        stored["settlement", 0].due_at,
    )


def test_a_breach_of_a_deadline_whose_ground_moves_is_said_of_the_new_one() -> None:
    law = rules(rule("settlement", working_days(2), starts=["case.acknowledged"]))
    second, first = case("acknowledged", at("2026-06-03 09:00"), seq=2), case("acknowledged", at("2026-06-02 09:00"))
    stored = {
        (r.stage, r.holder): r for r in diff({}, clocks([second], law, CALENDARS, MUCH_LATER), MUCH_LATER).changed
    }
    difference = diff(stored, clocks([second, first], law, CALENDARS, MUCH_LATER), MUCH_LATER)
    assert [(d.what, d.deadline_version) for d in difference.decisions] == [
        (What.BREACH_WITHDRAWN, 1),
        (What.RECALCULATED, 2),
        (What.BREACHED, 2),
    ]


def test_a_finished_clock_does_not_change_with_the_law() -> None:
    from dataclasses import replace

    facts = [routed(FILED), case("replied", at("2026-06-03 09:00"))]
    [clock] = clocks(facts, rules(FIRST_REPLY), CALENDARS, MUCH_LATER)
    stored = {("first_reply", 1): row(clock, MUCH_LATER)}
    stricter = replace(FIRST_REPLY, version="2", term=working_days(1))
    assert diff(stored, clocks(facts, rules(stricter), CALENDARS, MUCH_LATER), MUCH_LATER).decisions == ()
