"""Properties of the fold and of counting, over random facts and terms."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sla_monitor.cases import (
    CALENDARS,
    EPOCH,
    FIVE_DAY,
    RESPONSE,
    RULES,
    SIX_DAY,
    case,
    minutes,
    routed,
    rule,
    submitted,
    working_days,
)

from amanah_sla_monitor.domain.calendars import Calendar, Calendars, Override
from amanah_sla_monitor.domain.clocks import State, clocks
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.diff import Stored, What, diff
from amanah_sla_monitor.domain.explanation import explain
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Rules, Term, Unit, rules, term
from amanah_sla_monitor.telling import decide

fine = st.integers(0, 60 * 24 * 40).map(minutes)
coarse = st.integers(0, 14).map(lambda n: minutes(n * 60 * 12))
# Mostly on the same few instants, so that facts meet each other and a due instant exactly.
offsets = st.integers(0, 3).flatmap(lambda n: coarse if n else fine)
# Beside the plain clocks: one whose start may move when an earlier fact is learnt of late, and one that facts pause.
LAW = rules(
    *RULES,
    rule("settlement", term(Unit.CALENDAR_DAY, 5), starts=["case.acknowledged", "case.replied"]),
    rule("answer", working_days(4), pauses=frozenset({"case.declined"}), resumes=frozenset({"case.replied"})),
    backdating=RULES.backdating,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """A complaint as it may go: filed, routed one to three times, answered or not."""
    filed = EPOCH + draw(offsets)
    promise = draw(st.none() | offsets)
    facts = [
        submitted(
            filed,
            given=filed + promise if promise is not None else None,
            channel=draw(st.sampled_from(["web", "counter"])),
        )
    ]
    facts += [
        routed(EPOCH + draw(offsets), draw(st.sampled_from(["dinas", "six"])), n + 1)
        for n in range(draw(st.integers(0, 3)))
    ]
    for n in range(draw(st.integers(0, 3))):
        when = EPOCH + draw(offsets)
        kind = draw(st.sampled_from(["acknowledged", "replied", "resolved", "declined"]))
        actor = draw(st.sampled_from(["agency", "officer"]))
        facts.append(
            case(
                kind,
                when,
                draw(st.sampled_from(["dinas", "six"])),
                seq=n + 1,
                claimed=when - draw(offsets),
                actor=actor,
            )
        )
    return facts


@given(histories(), st.randoms(use_true_random=False), offsets)
def test_any_order_and_any_duplicates_give_the_same_clocks(facts: list[Fact], chance: object, later: timedelta) -> None:
    now = EPOCH + later
    shuffled = facts + [fact for fact in facts if chance.random() < 0.5]  # type: ignore[attr-defined]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert clocks(shuffled, LAW, CALENDARS, now) == clocks(facts, LAW, CALENDARS, now)


MOURNING = Override(date(2026, 3, 25), "mourning", (), "9/2026")
FEWER_DAYS = Calendars(
    {c.id: replace(c, version="2", overrides=(MOURNING,)) for c in (FIVE_DAY, SIX_DAY)},
    CALENDARS.default,
    CALENDARS.by_agency,
)
"""Some clocks move by these, and the versions of all change."""


@given(
    histories(),
    st.sampled_from([LAW, rules(RESPONSE, backdating=RULES.backdating)]),
    st.sampled_from([CALENDARS, FEWER_DAYS]),
    offsets,
    offsets,
)
def test_what_a_law_does_not_change_need_not_be_folded_by_it(
    facts: list[Fact], new: Rules, calendars: Calendars, told: timedelta, later: timedelta
) -> None:
    """Nothing has been learnt since it was told, so whether met clocks are folded anew makes no difference."""
    moment = EPOCH + told
    stored = {(r.stage, r.holder): r for r in diff({}, clocks(facts, LAW, CALENDARS, moment), moment).changed}
    now, law = moment + later, Law("test", new, calendars)
    tx: Any = SimpleNamespace(settled=now, now=now)
    known, before = {UUID(int=1): facts}, {UUID(int=1): stored}
    assert decide(tx, law, known, before, nothing_is_new=True) == decide(tx, law, known, before)


SAID = {
    What.STARTED: State.RUNNING,
    What.PAUSED: State.PAUSED,
    What.RESUMED: State.RUNNING,
    What.RECALCULATED: State.RUNNING,
    What.MET: State.MET,
    What.BREACHED: State.BREACHED,
    What.BREACH_WITHDRAWN: State.RUNNING,
    What.CANCELLED: State.CANCELLED,
}


@given(histories(), st.randoms(use_true_random=False))
def test_whatever_the_arrival_what_is_said_tells_the_truth(facts: list[Fact], chance: object) -> None:
    """Facts arrive one by one, in any order, with ticks between. Whoever has only heard what was said knows how each clock
    stands at every moment, and at the end it is the fold over everything; no deadline is said to be breached twice."""
    arriving: list[Fact | None] = [*facts, *[None] * 3]
    chance.shuffle(arriving)  # type: ignore[attr-defined]
    moments = sorted(EPOCH + minutes(chance.randrange(60 * 24 * 70)) for _ in arriving)  # type: ignore[attr-defined]
    end = EPOCH + minutes(60 * 24 * 200)
    stored: dict[tuple[str, int], Stored] = {}
    heard: dict[tuple[str, int], tuple[State, int]] = {}
    known: list[Fact] = []
    for fact, now in [*zip(arriving, moments, strict=True), (None, end)]:
        known += [fact] if fact else []
        difference = diff(stored, clocks(known, LAW, CALENDARS, now), now)
        stored |= {(r.stage, r.holder): r for r in difference.changed}
        for decision in difference.decisions:
            clock = (decision.row.stage, decision.row.holder)
            before, version = heard.get(clock, (None, 0)), decision.deadline_version
            if decision.what is What.BREACH_WITHDRAWN:
                assert before == (State.BREACHED, version), "taken back, but never said"
            else:
                assert before != (SAID[decision.what], version), "said twice"
            new = decision.what in (What.STARTED, What.RECALCULATED)
            assert new or before[1] == version, "of a deadline that was never started"
            stands = decision.what is What.RECALCULATED and before[0] is State.PAUSED
            heard[clock] = (State.PAUSED if stands else SAID[decision.what], version)
        assert heard == {key: (row.state, row.deadline_version) for key, row in stored.items()}
    final = clocks(facts, LAW, CALENDARS, end)
    assert {(c.stage, c.holder, c.state, c.due_at) for c in final} == {
        (s.stage, s.holder, s.state, s.due_at) for s in stored.values()
    }


@given(histories(), offsets)
def test_no_breach_is_early_and_none_stands_against_a_stop_in_time(facts: list[Fact], later: timedelta) -> None:
    now = EPOCH + later
    for clock in clocks(facts, LAW, CALENDARS, now):
        if clock.state is State.BREACHED:
            assert clock.due_at is not None
            assert clock.due_at <= now
            assert clock.ended_at is None or clock.ended_at > clock.due_at
        if clock.state in (State.RUNNING, State.PAUSED):
            assert clock.due_at is None or clock.due_at > now, "an instant that has come is no longer running"
        if clock.state is State.MET and clock.due_at is not None:
            assert clock.ended_at is not None
            assert clock.ended_at <= clock.due_at


instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda d: d.replace(tzinfo=FIVE_DAY.zone))
terms = st.builds(term, st.sampled_from([Unit.WORKING_DAY, Unit.CALENDAR_DAY]), st.integers(1, 60))
office = st.sampled_from([FIVE_DAY, SIX_DAY])


@st.composite
def pauses(draw: st.DrawFn) -> list[Pause]:
    starts = draw(st.lists(instants, max_size=4))
    return [Pause(start, start + minutes(draw(st.integers(0, 60 * 24 * 20)))) for start in starts]


def day_by_day(t: Term, calendar: Calendar, start: datetime, spans: list[Pause]) -> date:
    """The same law, told by walking: for comparison."""
    day = start.date()
    if t.unit is Unit.WORKING_DAY:
        if not calendar.hours(day) or start.time() >= calendar.hours(day)[-1][1]:
            day += timedelta(days=1)
        while not calendar.hours(day):
            day += timedelta(days=1)
    left = t.length
    while left:
        day += timedelta(days=1)
        paused = any(p.end and p.start.date() <= day < p.end.date() for p in spans)
        if (t.unit is Unit.CALENDAR_DAY or calendar.hours(day)) and not paused:
            left -= 1
    return day


@given(terms, office, instants, pauses())
def test_counting_equals_walking_day_by_day(t: Term, calendar: Calendar, start: datetime, spans: list[Pause]) -> None:
    end = due(t, calendar, start, spans)
    assert end is not None
    expected = day_by_day(t, calendar, start, spans)
    assert end.astimezone(calendar.zone).date() - timedelta(days=1) == expected
    counted = [d for d in explain(t, calendar, start, spans) if d.counted]
    assert len(counted) == t.length
    assert counted[-1].day == expected, "the receipt ends on the due day"


@given(terms, office, instants, st.integers(1, 40), st.integers(0, 1439), st.integers(0, 1439))
def test_a_pause_within_one_day_changes_nothing(
    t: Term, calendar: Calendar, start: datetime, days: int, a: int, b: int
) -> None:
    midnight = (start + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    pause = Pause(midnight + minutes(min(a, b)), midnight + minutes(max(a, b)))
    assert due(t, calendar, start, [pause]) == due(t, calendar, start)


@given(terms, office, instants, pauses())
def test_a_pause_never_brings_a_deadline_forward(
    t: Term, calendar: Calendar, start: datetime, spans: list[Pause]
) -> None:
    plain, paused = due(t, calendar, start), due(t, calendar, start, spans)
    assert plain is not None
    assert paused is not None
    assert paused >= plain


@given(terms, office, instants, pauses(), st.integers(0, 30))
def test_a_budget_bounds_what_pauses_can_do(
    t: Term, calendar: Calendar, start: datetime, spans: list[Pause], budget: int
) -> None:
    held = term(t.unit, t.length, pause_budget=budget)
    limited = due(held, calendar, start, spans)
    longest = due(term(t.unit, t.length + budget), calendar, start)
    free = due(t, calendar, start, spans)
    assert limited is not None
    assert longest is not None
    assert free is not None
    assert limited <= min(longest, free)
    forever = due(held, calendar, start, [Pause(start, None)])
    assert forever == longest, "stalling for ever gains the budget and no more"
