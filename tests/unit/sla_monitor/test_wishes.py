"""What users of other systems asked for in vain (wishes 1 to 20), as far as the pure domain answers it."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sla_monitor.cases import (
    CALENDARS,
    FIVE_DAY,
    RULES,
    SIX_DAY,
    WITA,
    at,
    case,
    minutes,
    routed,
    rule,
    submitted,
    working_days,
)

from amanah_sla_monitor.calculator import Question, answer, load
from amanah_sla_monitor.domain.ages import age
from amanah_sla_monitor.domain.calendars import Calendar, Calendars, Holiday, Override, Season
from amanah_sla_monitor.domain.clocks import State, clocks
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.diff import What, diff, row
from amanah_sla_monitor.domain.explanation import explain
from amanah_sla_monitor.domain.gaps import gaps
from amanah_sla_monitor.domain.rules import Applies, Bound, Escalation, Roll, Unit, rules, term
from amanah_sla_monitor.domain.thresholds import escalation, threshold

PACK = load(Path(__file__).parents[3] / "packs" / "id")
FILED = at("2026-06-01 09:00")
LATER = at("2026-12-01 00:00")


def test_wish_01_every_open_clock_carries_its_own_instant_however_old_it_is() -> None:
    """No page of a scan decides what is looked at: the index is of instants, and an old one comes first."""
    old, new = submitted(at("2020-01-02 09:00")), submitted(FILED)
    law = rules(rule("forwarding", working_days(3)))
    [old_clock], [new_clock] = (clocks([fact], law, CALENDARS, at("2020-01-02 10:00")) for fact in (old, new))
    first, second = row(old_clock, FILED).next_fire_at, row(new_clock, FILED).next_fire_at
    assert first is not None
    assert second is not None
    assert first < second


def test_wish_02_a_clock_starts_at_a_fact_and_nothing_else_moves_it() -> None:
    filed = [submitted(FILED), routed(FILED)]
    before = {(c.stage, c.holder): c.due_at for c in clocks(filed, RULES, CALENDARS, FILED)}
    busy = [
        *filed,
        *(case("acknowledged", FILED + minutes(n), seq=n) for n in range(1, 9)),
        case("declined", FILED, seq=9),
    ]
    after = {(c.stage, c.holder): c.due_at for c in clocks(busy, RULES, CALENDARS, FILED)}
    assert after == before


def test_wish_03_a_clock_keeps_the_rule_and_the_calendar_version_of_its_start() -> None:
    old = rule("reply", working_days(5), id="R", version="1", valid_to=date(2026, 6, 30))
    new = rule("reply", working_days(2), id="R", version="2", valid_from=date(2026, 7, 1))
    law = rules(old, new)
    [before] = clocks([submitted(at("2026-06-30 15:59"))], law, CALENDARS, LATER)
    [after] = clocks([submitted(at("2026-07-01 08:00"))], law, CALENDARS, LATER)
    assert (before.rule.version, after.rule.version) == ("1", "2")
    assert (row(before, LATER).rule_version, row(before, LATER).calendar) == ("1", "five-day@1")


def test_wish_04_a_case_that_no_rule_covers_is_said_aloud() -> None:
    fires = rule("reply", working_days(1), applies=Applies(categories=frozenset({"fire"})))
    [gap] = gaps([submitted(FILED)], rules(fires), CALENDARS)
    assert (gap.holder, gap.since, gap.stages) == (0, FILED, ("reply",))
    assert gap.reason == "reply version 1 does not cover the case"
    assert gaps([submitted(FILED)], rules(fires, rule("response", working_days(1))), CALENDARS) == ()
    expired = rule("reply", working_days(1), valid_to=date(2026, 5, 31))
    assert "not in force on 2026-06-01" in gaps([submitted(FILED)], rules(expired), CALENDARS)[0].reason
    unpromised = rule("resolution", term(Unit.GIVEN, 0), id="given")
    assert gaps([submitted(FILED)], rules(unpromised), CALENDARS)[0].reason == "given: the source promised no date"
    assert gaps([submitted(FILED, given=LATER)], rules(unpromised), CALENDARS) == ()


def test_wish_04_a_holder_without_a_clock_is_a_gap_of_its_own() -> None:
    dinas_only = rule(
        "first_reply",
        working_days(5),
        bound=Bound.HOLDER,
        starts=["complaint.routed"],
        applies=Applies(agencies=frozenset({"dinas"})),
    )
    facts = [routed(FILED), routed(FILED + minutes(5), "dukcapil", 2)]
    assert [(gap.holder, gap.agency) for gap in gaps(facts, rules(dinas_only), CALENDARS)] == [(2, "dukcapil")]


@pytest.mark.parametrize("unit", [Unit.WORKING_DAY, Unit.CALENDAR_DAY, Unit.HOUR, Unit.MONTH])
@pytest.mark.parametrize("n", [1, 24, 25, 26, 31, 48, 49, 50, 99, 366, 596, 597])
def test_wish_05_no_duration_overflows_into_no_deadline(unit: Unit, n: int) -> None:
    end = due(term(unit, n), FIVE_DAY, FILED)
    assert end is not None
    if unit is Unit.CALENDAR_DAY:
        assert end == at("2026-06-02 00:00") + timedelta(days=n)
    if unit is Unit.HOUR:
        assert end == FILED + timedelta(hours=n)
    if unit is Unit.WORKING_DAY:
        walked = [d for d in explain(term(unit, n), FIVE_DAY, FILED) if d.counted]
        assert (len(walked), walked[-1].day) == (n, end.astimezone(WITA).date() - timedelta(days=1))


@given(st.integers(1, 20_000))
def test_wish_05_calendar_days_of_any_length(n: int) -> None:
    assert due(term(Unit.CALENDAR_DAY, n), FIVE_DAY, FILED) == at("2026-06-02 00:00") + timedelta(days=n)


def test_wish_06_a_warning_has_an_instant_that_a_day_of_downtime_cannot_miss() -> None:
    """It is no query for what is due in exactly seven days: whoever looks later finds that its instant has passed."""
    warn = threshold(working_days(5), FIVE_DAY, FILED, 50)
    assert warn == at("2026-06-04 07:30")
    assert warn < at("2026-06-05 07:30") < due(working_days(5), FIVE_DAY, FILED)  # type: ignore[operator]


def test_wish_07_a_holiday_announced_late_moves_running_clocks_and_no_other() -> None:
    late = replace(FIVE_DAY, version="2", holidays=(*FIVE_DAY.holidays, Holiday(date(2026, 6, 5), "mourning")))
    moved = Calendars({"five-day": late, "six-day": SIX_DAY}, "five-day", {"six": "six-day"})
    now = at("2026-06-03 09:00")
    running = [submitted(FILED), routed(FILED), routed(FILED + minutes(1), "six", 2)]
    before = {(c.stage, c.holder): c for c in clocks(running, RULES, CALENDARS, now)}
    after = {(c.stage, c.holder): c for c in clocks(running, RULES, moved, now)}
    assert before["first_reply", 2].due_at == after["first_reply", 2].due_at, "another office's calendar"
    answered = [submitted(FILED), case("replied", now)]
    reply = rules(rule("reply", working_days(5), stops=["case.replied"]))
    stored = {("reply", 0): row(clocks(answered, reply, CALENDARS, now)[0], now)}
    assert diff(stored, clocks(answered, reply, moved, now), now).decisions == (), "a finished clock is untouched"
    open_case = {("reply", 0): row(clocks([submitted(FILED)], reply, CALENDARS, now)[0], now)}
    [decision] = diff(open_case, clocks([submitted(FILED)], reply, moved, now), now).decisions
    assert decision.due_at == at("2026-06-10 00:00"), "a day later than before, said by an event of its own"
    assert row(clocks([submitted(FILED)], reply, moved, now)[0], now).calendar == "five-day@2"


ASKED = {"pauses": frozenset({"case.acknowledged"}), "resumes": frozenset({"case.replied"})}


def test_wish_08_straight_from_paused_to_resolved() -> None:
    law = rules(rule("reply", working_days(4), **ASKED))
    facts = [submitted(FILED), case("acknowledged", at("2026-06-03 10:00")), case("resolved", LATER, seq=2)]
    [clock] = clocks(facts, law, CALENDARS, LATER)
    assert (clock.state, clock.due_at, clock.ended_at) == (State.MET, None, LATER)


def test_wish_08_a_rule_changed_while_paused_leaves_the_clock_its_own() -> None:
    old = rule("reply", working_days(4), id="R", version="1", valid_to=date(2026, 6, 3), **ASKED)
    new = rule("reply", working_days(1), id="R", version="2", valid_from=date(2026, 6, 4))
    facts = [
        submitted(FILED),
        case("acknowledged", at("2026-06-03 10:00")),
        case("replied", at("2026-06-08 10:00"), seq=2),
    ]
    [clock] = clocks(facts, rules(old, new), CALENDARS, at("2026-06-08 11:00"))
    assert (clock.rule.version, clock.due_at) == ("1", at("2026-06-11 00:00"))


def test_wish_08_a_pause_over_a_weekend_counts_once_and_one_in_the_last_hour_holds() -> None:
    weekend = [Pause(at("2026-06-05 17:00"), at("2026-06-08 09:00"))]
    assert due(working_days(4), FIVE_DAY, FILED, weekend) == at("2026-06-09 00:00"), "Friday alone"
    last_hour = [Pause(at("2026-06-05 23:00"), at("2026-06-08 09:00"))]
    assert due(working_days(4), FIVE_DAY, FILED, last_hour) == at("2026-06-09 00:00")
    assert due(working_days(4), FIVE_DAY, FILED, [Pause(at("2026-06-05 23:59"), None)]) is None


PRAYER = ((time(7, 30), time(11, 30)), (time(13), time(16, 30)))
LUNCH = ((time(7, 30), time(12)), (time(13), time(16)))


def test_wish_09_lunch_friday_prayer_ramadan_and_half_days() -> None:
    fasting = Season(date(2026, 2, 19), date(2026, 3, 20), "Ramadan", dict.fromkeys(range(5), ((time(8), time(15)),)))
    half = Override(date(2026, 6, 4), "half day", ((time(7, 30), time(11)),), "Bupati 9/2026")
    office = Calendar(
        "o", "1", WITA, {**dict.fromkeys(range(4), LUNCH), 4: PRAYER}, overrides=(half,), seasons=(fasting,)
    )
    one = working_days(1)
    assert due(one, office, at("2026-06-01 12:30")) == at("2026-06-03 00:00"), "a lunch is no closing time"
    assert due(one, office, at("2026-06-05 12:00")) == at("2026-06-09 00:00"), "nor is the Friday prayer"
    assert due(one, office, at("2026-03-03 15:00")) == at("2026-03-06 00:00"), "Ramadan closes at three"
    assert threshold(one, office, at("2026-03-02 09:00"), None) == at("2026-03-03 08:00"), "and opens at eight"
    assert due(one, office, at("2026-06-04 11:00")) == at("2026-06-09 00:00"), "the half day closes at eleven"
    assert due(one, office, at("2026-06-03 10:00")) == at("2026-06-05 00:00"), "and counts as a day"
    assert not office.is_open(at("2026-06-05 12:00"))


@pytest.mark.parametrize(
    ("calendar", "last_day", "expected"),
    [
        ("five-day-wib", "2026-06-09T07:30:00+07:00", "2026-06-10T00:00:00+07:00"),  # 15:30 there: still Tuesday's
        ("five-day", "2026-06-10T07:30:00+08:00", "2026-06-11T00:00:00+08:00"),  # after closing: Wednesday's
        ("five-day-wit", "2026-06-10T07:30:00+09:00", "2026-06-11T00:00:00+09:00"),
        ("six-day", "2026-06-09T07:30:00+08:00", "2026-06-10T00:00:00+08:00"),  # Saturday counts
    ],
)
def test_wish_09_five_and_six_days_in_three_zones(calendar: str, last_day: str, expected: str) -> None:
    found = answer(Question("SP4N-2", at("2026-06-02 16:30"), calendar), PACK)
    assert (found["thresholds"][-1]["at"], found["due_at"]) == (last_day, expected)


instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda d: d.replace(tzinfo=WITA))
counted = st.builds(term, st.sampled_from([Unit.WORKING_DAY, Unit.CALENDAR_DAY, Unit.HOUR]), st.integers(1, 90))


@given(counted, st.sampled_from([FIVE_DAY, SIX_DAY]), instants, st.sampled_from([1, 50, 80, 100, None]))
def test_wish_10_no_warning_at_night_or_on_a_day_off_and_none_too_late(t, calendar, start, percent) -> None:
    warn, end = threshold(t, calendar, start, percent), due(t, calendar, start)
    assert end is not None
    if warn is not None:
        assert calendar.is_open(warn)
        assert start <= warn < end
    if t.unit is Unit.WORKING_DAY:
        assert warn is not None
        assert warn == calendar.opening(calendar.local(warn).toordinal())


def test_wish_11_a_transfer_gives_the_new_unit_its_own_limit_and_the_citizen_none() -> None:
    handed_over = at("2026-06-04 09:00")
    before = {(c.stage, c.holder): c for c in clocks([submitted(FILED), routed(FILED)], RULES, CALENDARS, FILED)}
    facts = [submitted(FILED), routed(FILED), routed(handed_over, "dukcapil", 2)]
    after = {(c.stage, c.holder): c for c in clocks(facts, RULES, CALENDARS, handed_over)}
    assert after["first_reply", 1].state is State.CANCELLED
    assert after["first_reply", 2].due_at == at("2026-06-12 00:00")
    assert after["response", 0].due_at == before["response", 0].due_at


def test_wish_12_the_way_of_counting_belongs_to_the_rule() -> None:
    """Five days from a Monday: a Saturday, or the Monday after where the rule says so."""
    plain, rolled = term(Unit.CALENDAR_DAY, 5), term(Unit.CALENDAR_DAY, 5, roll=Roll.NEXT_WORKING_DAY)
    assert due(plain, FIVE_DAY, FILED) == at("2026-06-07 00:00")
    assert due(rolled, FIVE_DAY, FILED) == at("2026-06-09 00:00")
    assert explain(rolled, FIVE_DAY, FILED)[-1].reason == "the due date was a day off and moves to this working day"


def test_wish_13_an_extension_has_its_article_and_pauses_their_budget() -> None:
    plain = answer(Question("KIP-1", FILED), PACK)
    longer = answer(Question("KIP-1", FILED, extend=True), PACK)
    assert (plain["length"], longer["length"]) == (10, 17)
    assert any("UU 14/2008 art 22" in note and "in writing" in note for note in longer["notes"])
    canned = [Pause(FILED + timedelta(days=n), FILED + timedelta(days=n + 1)) for n in range(1, 60, 2)]
    held = due(working_days(5, pause_budget=3), FIVE_DAY, FILED, canned)
    assert held == due(working_days(8), FIVE_DAY, FILED), "however often the question is asked"


def test_wish_14_a_breach_that_did_not_happen_is_taken_back_with_its_reason() -> None:
    law = rules(rule("reply", working_days(1), stops=["case.replied"]), backdating=RULES.backdating)
    breached = clocks([submitted(FILED)], law, CALENDARS, LATER)
    stored = {("reply", 0): row(breached[0], LATER)}
    in_time = case("replied", LATER, claimed=at("2026-06-02 10:00"), actor="officer")
    difference = diff(stored, clocks([submitted(FILED), in_time], law, CALENDARS, LATER), LATER)
    assert [d.what for d in difference.decisions] == [What.BREACH_WITHDRAWN, What.MET]
    assert difference.decisions[0].row.ended_at == at("2026-06-02 10:00")


def test_wish_15_a_date_shows_how_it_was_computed() -> None:
    found = answer(Question("SP4N-2", at("2026-03-16 09:00")), PACK)
    assert [d["date"][-2:] for d in found["days"] if d["counted"]] == ["17", "25", "26", "27", "30"]
    assert [d["date"][-2:] for d in found["days"]] == [f"{n}" for n in range(16, 31)], "no day is passed over"
    assert (found["calendar"], found["rule"], found["version"]) == ("five-day", "SP4N-2", "1")


def test_wish_15_of_two_limits_it_is_said_which_is_in_force() -> None:
    """The statute's binds: the earlier. And a rule that was not in force on the day says so."""
    statute, regulation = (answer(Question(name, at("2026-06-02 09:00")), PACK) for name in ("ORI-38-2", "ORI-MON"))
    assert (statute["basis"], regulation["basis"]) == ("statute", "regulation")
    assert statute["due_at"] < regulation["due_at"]
    assert "ORI-38-2" in regulation["notes"][0]
    superseded = answer(Question("PAN62-T", at("2026-06-02 09:00")), PACK)
    assert "Rule PAN62-T version 1 was not in force on the day of the start." in superseded["notes"]
    assert not any("in force" in n for n in answer(Question("PAN62-T", at("2024-06-03 09:00")), PACK)["notes"])


def test_wish_16_a_rule_that_ended_starts_no_clock_and_those_it_started_run_out() -> None:
    ended = rules(rule("reply", working_days(5), valid_to=date(2026, 6, 1)))
    [last] = clocks([submitted(FILED)], ended, CALENDARS, at("2026-06-02 09:00"))
    assert last.state is State.RUNNING
    assert clocks([submitted(at("2026-06-02 09:00"))], ended, CALENDARS, LATER) == ()


def test_wish_17_warnings_come_before_it_is_late_in_their_order() -> None:
    found = answer(Question("SP4N-2", FILED), PACK)
    instants_of = [warning["at"] for warning in found["thresholds"]]
    assert [warning["name"] for warning in found["thresholds"]] == ["half", "eighty", "last_day"]
    assert instants_of == sorted(instants_of)
    assert instants_of[-1] < found["due_at"]


def test_wish_18_three_levels_three_people_each_with_a_limit_of_its_own() -> None:
    levels = answer(Question("SP4N-2", at("2026-03-16 09:00")), PACK)["escalations"]
    assert [(level["level"], level["role"], level["at"][:10]) for level in levels] == [
        (1, "pejabat_penghubung", "2026-03-31"),
        (2, "kepala_opd", "2026-04-02"),
        (3, "sekda", "2026-04-08"),  # five working days after the due day, over Good Friday
    ]


@pytest.mark.parametrize(
    ("after", "unit", "expected"),
    [
        (0, Unit.WORKING_DAY, "2026-06-06 00:00"),
        (1, Unit.WORKING_DAY, "2026-06-09 00:00"),  # due with Friday's end: the day after is Monday
        (1, Unit.CALENDAR_DAY, "2026-06-07 00:00"),
        (5, Unit.HOUR, "2026-06-06 05:00"),
    ],
)
def test_wish_18_a_level_counts_from_the_due_day(after: int, unit: Unit, expected: str) -> None:
    assert escalation(Escalation(1, "atasan", after, unit), at("2026-06-06 00:00"), FIVE_DAY) == at(expected)


def test_wish_19_a_level_without_a_person_still_has_its_instant_and_so_has_the_next() -> None:
    """Whether somebody can be reached is asked at that instant; the ladder itself knows nobody and skips nobody."""
    found = answer(Question("UU25-50-1", FILED), PACK)
    assert all(level["at"] and level["role"] for level in found["escalations"])
    assert found["escalations"][0]["at"] == found["due_at"] < found["escalations"][1]["at"]


def test_wish_20_overdue_is_so_by_its_instant_alone() -> None:
    [clock] = clocks([submitted(FILED)], rules(rule("reply", working_days(1))), CALENDARS, at("2026-06-03 00:00"))
    assert clock.state is State.BREACHED, "nobody did anything"
    assert age(clock, at("2026-06-03 09:00")).gross == timedelta(days=2)
