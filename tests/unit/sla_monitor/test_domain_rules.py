"""Rules worth turning into tests (domain report, 7), those that deadlines are about, and the traps of the calendar (1c).

Of the twelve, 9 (no name of a confidential reporter), 10 (an officer named in a report) and 12 (satisfaction index) are not
about deadlines; they are tested, or not yet built, elsewhere.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.sla_monitor.cases import at, case, routed, submitted

from amanah_sla_monitor.calculator import Law, Question, answer, load
from amanah_sla_monitor.domain.ages import age, charged, elapsed
from amanah_sla_monitor.domain.calendars import Calendars
from amanah_sla_monitor.domain.clocks import Clock, State, clocks
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.rules import Rule, rules

PACK = load(Path(__file__).parents[3] / "packs" / "id")
CALENDAR = PACK.calendars.by_id["five-day"]
LATER = at("2026-12-01 00:00")


def the(rule_id: str) -> Rule:
    found = PACK.rules.find(rule_id)
    assert found is not None
    return found


def due_day(question: Question, law: Law = PACK) -> str:
    """The last day: the one that the due midnight ends."""
    return (datetime.fromisoformat(answer(question, law)["due_at"]) - timedelta(days=1)).date().isoformat()


def cuti_bersama_counted() -> Law:
    """The same office, with the setting the other way."""
    working = replace(CALENDAR, cuti_bersama_off=False)
    return replace(PACK, calendars=Calendars({"five-day": working}, "five-day"))


@pytest.mark.parametrize(
    ("start", "off", "on"),
    [("2026-03-16 09:00", "2026-03-30", "2026-03-24"), ("2026-05-13 09:00", "2026-05-22", "2026-05-21")],
)
def test_rule_1_and_the_traps_five_working_days_over_cuti_bersama(start: str, off: str, on: str) -> None:
    assert due_day(Question("SP4N-2", at(start))) == off
    assert due_day(Question("SP4N-2", at(start)), cuti_bersama_counted()) == on


def test_rule_2_the_day_of_a_deadline_is_the_day_of_wita() -> None:
    new_years_eve = datetime(2026, 12, 31, 15, 30, tzinfo=UTC)
    assert new_years_eve == at("2026-12-31 23:30")
    found = answer(Question("UU25-44-1", new_years_eve), PACK)
    assert found["days"][0]["date"] == "2026-12-31"
    assert found["due_at"] == "2027-01-15T00:00:00+08:00"
    for start in (at("2026-06-02 07:59"), at("2026-06-02 08:01")):  # 8:00 is midnight in UTC, and inside office hours
        assert due_day(Question("SP4N-2", start)) == "2026-06-09"


def test_rule_3_saturday_counts_in_a_six_day_office_alone() -> None:
    start = at("2026-06-04 09:00")
    assert due_day(Question("SP4N-1", start, "six-day")) == "2026-06-08"
    assert due_day(Question("SP4N-1", start, "five-day")) == "2026-06-09"


def test_rule_4_sixty_days_start_when_the_file_is_complete_and_fourteen_do_not_wait() -> None:
    filed, completed = at("2026-06-01 09:00"), at("2026-06-20 09:00")
    complete = Fact("file.completed", "casework", 1, completed, completed, actor="agency", agency="dinas")
    folded = {c.stage: c for c in clocks([submitted(filed), complete], PACK.rules, PACK.calendars, completed)}
    assert folded["settlement"].due_at == at("2026-08-20 00:00"), "60 days after the 20th of June"
    assert folded["response"].due_at == at("2026-06-16 00:00"), "14 days after the filing"
    assert folded["response"].state is State.BREACHED


def test_rule_5_pauses_never_shorten_the_gross_age() -> None:
    start, now = at("2026-06-01 09:00"), at("2026-06-11 09:00")
    stood = [
        Pause(at("2026-06-03 09:00"), at("2026-06-05 09:00")),
        Pause(at("2026-06-04 09:00"), at("2026-06-06 09:00")),
    ]
    assert elapsed(start, now, stood) == elapsed(start, now, stood[::-1])
    assert elapsed(start, now, stood).gross == timedelta(days=10)
    assert elapsed(start, now, stood).net == timedelta(days=7), "overlapping pauses stand once"
    assert elapsed(start, now, [Pause(at("2026-06-10 09:00"), None)]).net == timedelta(days=9)
    assert elapsed(start, now, [Pause(at("2026-05-01 09:00"), at("2026-05-20 09:00"))]).net == timedelta(days=10)
    assert elapsed(start, now, [Pause(at("2026-07-01 09:00"), None)]).net == timedelta(days=10)
    paused = Clock("reply", 0, None, the("SP4N-2"), CALENDAR, start, None, State.PAUSED, pauses=(Pause(start, None),))
    assert (age(paused, now).gross, age(paused, now).net) == (timedelta(days=10), timedelta())


def test_rule_6_a_re_route_keeps_the_citizens_clock_and_charges_time_to_who_held_the_case() -> None:
    filed, again, now = at("2026-06-02 09:00"), at("2026-06-04 09:00"), at("2026-06-05 10:00")
    facts = [submitted(filed), routed(filed, "a"), routed(again, "b", 2)]
    folded = {(c.stage, c.holder): c for c in clocks(facts, PACK.rules, PACK.calendars, now)}
    assert folded["response", 0].started_at == filed
    assert folded["first_reply", 2].started_at == again
    held = charged(facts, PACK.rules.backdating, now)
    assert [(h.assignment, h.agency, h.time) for h in held] == [
        (1, "a", timedelta(days=2)),
        (2, "b", timedelta(days=1, hours=1)),
    ]
    assert sum((h.time for h in held), timedelta()) == age(folded["response", 0], now).gross, (
        "none is lost between them"
    )


@pytest.mark.parametrize(
    ("answered", "state"),
    [
        ("2026-06-12 23:59", State.MET),  # on day 10: the agency's turn again
        ("2026-06-13 00:01", State.BREACHED),
        (None, State.BREACHED),  # closed by itself at the end of day 10
    ],
)
def test_rule_7_ten_days_to_answer(answered: str | None, state: State) -> None:
    law = rules(replace(the("SP4N-3"), runs=True))
    replied = at("2026-06-02 10:00")
    facts = [case("replied", replied)]
    if answered is not None:
        when = at(answered)
        facts.append(Fact("reporter.answered", "intake", 2, when, when))
    [clock] = clocks(facts, law, PACK.calendars, LATER)
    assert (clock.due_at, clock.state) == (at("2026-06-13 00:00"), state)


def test_rule_8_a_recommendation_has_two_due_dates_and_the_statutes_is_the_earlier() -> None:
    received = at("2026-06-02 09:00")
    statutory, regulation = (answer(Question(name, received), PACK) for name in ("ORI-38-2", "ORI-MON"))
    assert statutory["due_at"] == "2026-08-02T00:00:00+08:00"
    assert regulation["due_at"] == "2026-08-29T00:00:00+08:00"
    assert (statutory["basis"], regulation["basis"]) == ("statute", "regulation")


def test_rule_11_a_change_of_the_law_is_for_new_cases_only() -> None:
    in_force = replace(the("SP4N-2"), valid_to=at("2026-06-30 00:00").date())
    stricter = replace(
        in_force,
        version="2",
        term=replace(in_force.term, length=3),
        valid_from=at("2026-07-01 00:00").date(),
        valid_to=None,
    )
    law = rules(in_force, stricter)
    [old] = clocks([routed(at("2026-06-30 09:00"))], law, PACK.calendars, LATER)
    [new] = clocks([routed(at("2026-07-01 09:00"))], law, PACK.calendars, LATER)
    assert (old.rule.version, old.due_at) == ("1", at("2026-07-08 00:00"))
    assert (new.rule.version, new.due_at) == ("2", at("2026-07-07 00:00"))
    assert due(old.rule.term, CALENDAR, old.started_at) == old.due_at


def test_what_was_taken_back_never_was() -> None:
    filed, replied, taken_back = at("2026-06-02 09:00"), at("2026-06-03 09:00"), at("2026-06-04 09:00")
    by_mistake = case("replied", replied)
    withdrawal = Fact(
        "fact.withdrawn", "casework", 2, taken_back, taken_back, actor="agency", agency="dinas", withdraws=1
    )
    facts = [submitted(filed), routed(filed), by_mistake, withdrawal]
    folded = {c.stage: c for c in clocks(facts, PACK.rules, PACK.calendars, taken_back)}
    assert folded["first_reply"].state is State.RUNNING
    settlement = folded["settlement"]  # the reply had started it
    assert (settlement.state, settlement.ended_by, settlement.ended_at) == (
        State.CANCELLED,
        "fact.withdrawn",
        taken_back,
    )
    assert clocks(facts[::-1], PACK.rules, PACK.calendars, taken_back) == tuple(folded.values())


def test_a_filing_or_an_assignment_is_corrected_and_not_taken_back() -> None:
    filed, later = at("2026-06-02 09:00"), at("2026-06-04 09:00")
    facts = [
        submitted(filed),
        routed(filed),
        Fact("fact.withdrawn", "routing", 9, later, later, withdraws=1),
        Fact("fact.withdrawn", "intake", 9, later, later, withdraws=1),
    ]
    assert clocks(facts, PACK.rules, PACK.calendars, later) == clocks(facts[:2], PACK.rules, PACK.calendars, later)


def test_only_who_said_it_takes_it_back() -> None:
    filed, later = at("2026-06-02 09:00"), at("2026-06-04 09:00")
    other = Fact("fact.withdrawn", "intake", 2, later, later, withdraws=1)
    folded = {
        c.stage: c for c in clocks([routed(filed), case("replied", later), other], PACK.rules, PACK.calendars, later)
    }
    assert folded["first_reply"].state is State.MET
