"""The whole life of clocks over random histories: facts in any order, ticks between them, a holiday decreed in the middle.

The ticker here is a model of the statement `store.fire_due`, in a few lines; the integration tests hold that statement
itself against real servers.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sla_monitor.cases import CALENDARS, EPOCH, FIVE_DAY, SIX_DAY, minutes, rule, working_days
from tests.unit.sla_monitor.test_properties import LAW, histories

from amanah_sla_monitor.domain.calendars import Calendars, Holiday
from amanah_sla_monitor.domain.clocks import State, clocks
from amanah_sla_monitor.domain.diff import OPEN, Key, Stored, What, diff
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.marks import AT_RISK, DUE, ESCALATION, Mark
from amanah_sla_monitor.domain.offices import Offices, Seat
from amanah_sla_monitor.domain.rules import Bound, Escalation, Rules, Threshold, Unit, rules

OFFICES = Offices({"head": Seat.AGENCY, "superior": Seat.SUPERIOR, "minister": Seat.NOBODY}, {"dinas": "setda"})
WARNED = (Threshold("half", 50), Threshold("last_day", None))
LEVELS = (
    Escalation(1, "head", 0, Unit.WORKING_DAY),
    Escalation(2, "superior", 2, Unit.WORKING_DAY),
    Escalation(3, "minister", 3, Unit.WORKING_DAY),
    Escalation(4, "head", 9, Unit.WORKING_DAY),
)
MARKED = rules(
    *LAW,
    rule(
        "marked",
        working_days(4),
        bound=Bound.HOLDER,
        starts=["complaint.routed"],
        stops=["case.replied"],
        pauses=frozenset({"case.acknowledged"}),
        resumes=frozenset({"case.declined"}),
        thresholds=WARNED,
        escalations=LEVELS,
    ),
    backdating=LAW.backdating,
)
LATE = Calendars(
    {
        "five-day": replace(
            FIVE_DAY, version="2", holidays=(*FIVE_DAY.holidays, Holiday(date(2026, 3, 27), "mourning"))
        ),
        "six-day": SIX_DAY,
    },
    "five-day",
    {"six": "six-day"},
)
END = EPOCH + timedelta(days=200)


class Watch:
    """A monitor of one complaint: what it stored, and all that it said, in order."""

    def __init__(self, law: Rules = MARKED, calendars: Calendars = CALENDARS) -> None:
        self.law, self.calendars = law, calendars
        self.stored: dict[Key, Stored] = {}
        self.facts: list[Fact] = []
        self.said: list[tuple[Key, str, int, datetime]] = []
        """Clock, word, deadline version, instant."""
        self.fired: dict[tuple[Key, int, str], bool] = {}
        """The table `fired`: key to whether it stands."""
        self.recalculated: list[Key] = []

    def learn(self, fact: Fact | None, now: datetime) -> None:
        self.facts += [fact] if fact else []
        difference = diff(self.stored, clocks(self.facts, self.law, self.calendars, now), now, OFFICES)
        self.stored |= {(row.stage, row.holder): row for row in difference.changed}
        for decision in difference.decisions:
            key, version = (decision.row.stage, decision.row.holder), decision.deadline_version
            if decision.what is What.BREACH_WITHDRAWN:
                for fired in self.fired:
                    if fired[:2] == (key, version) and not fired[2].startswith(AT_RISK):
                        self.fired[fired] = False
            if decision.what is What.RECALCULATED:
                self.recalculated.append(key)
            if decision.what is not What.BREACHED or self._first(key, version, DUE):
                self.said.append((key, decision.what.value, version, decision.at))

    def tick(self, now: datetime) -> None:
        for key, row in self.stored.items():
            since = row.next_fire_at
            if since is None or since > now:
                continue
            over = row.state in OPEN and row.due_at is not None and row.due_at <= now
            state = State.BREACHED if over else row.state
            ahead = min((mark.at for mark in row.marks if mark.at > now), default=None)
            self.stored[key] = row._replace(state=state, next_fire_at=ahead)
            come = [mark for mark in row.marks if since <= mark.at <= now and mark.name != DUE]
            if row.due_at is not None and since <= row.due_at <= now:
                come.append(Mark(row.due_at, DUE))
            for mark in sorted(come):
                wanted = mark.name == DUE or (state is State.BREACHED) == mark.name.startswith(ESCALATION)
                if wanted and self._first(key, row.deadline_version, mark.key):
                    word = "breached" if mark.name == DUE else mark.key
                    self.said.append((key, word, row.deadline_version, mark.at))

    def _first(self, key: Key, version: int, threshold: str) -> bool:
        first = not self.fired.get((key, version, threshold))
        self.fired[key, version, threshold] = True
        return first

    def net(self) -> dict[Key, tuple[str, Any]]:
        """How each clock stands by what was said of it last, a breach with its instant; warnings and levels aside. Of two
        answers in time, that the earlier one is learnt of late is not worth a word."""
        known: dict[Key, tuple[str, Any]] = {}
        for key, word, _, at in self.said:
            if not word.startswith((AT_RISK, ESCALATION)):
                known[key] = (word, at if word == "breached" else None)
        return known


def run(watch: Watch, facts: list[Fact], chance: Any, *, late_holiday: bool = False) -> None:
    """Facts in a random order with three ticks between, then the end of time."""
    arriving: list[Fact | None] = [*facts, *[None] * 3]
    chance.shuffle(arriving)
    moments = sorted(EPOCH + minutes(chance.randrange(60 * 24 * 70)) for _ in arriving)
    decreed = chance.randrange(len(arriving)) if late_holiday else None
    for n, (fact, now) in enumerate(zip(arriving, moments, strict=True)):
        watch.tick(now)
        if n == decreed:
            watch.calendars = LATE
            watch.learn(None, now)
        if fact:
            watch.learn(fact, now)
    for now in (END, END + timedelta(days=1)):
        watch.tick(now)
        watch.learn(None, now)


@given(histories(), st.randoms(use_true_random=False), st.booleans())
def test_each_mark_is_said_once_a_version_never_early_and_never_of_an_answered_clock(
    facts: list[Fact], chance: Any, late_holiday: bool
) -> None:
    watch = Watch()
    run(watch, facts, chance, late_holiday=late_holiday)
    standing: dict[Key, str] = {}
    seen: set[tuple[Key, str, int]] = set()
    for key, word, version, _ in watch.said:
        if word.startswith(AT_RISK):
            assert standing[key] in ("started", "resumed", "recalculated", "paused", "breach_withdrawn"), (
                "warned too late"
            )
            assert (key, word, version) not in seen, "warned twice"
            seen.add((key, word, version))
        elif word.startswith(ESCALATION):
            assert standing[key] == "breached", "escalated what is not breached"
        else:
            standing[key] = word


@given(histories(), st.randoms(use_true_random=False))
def test_any_permutation_of_arrivals_leaves_the_same_net_events(facts: list[Fact], chance: Any) -> None:
    one, other = Watch(), Watch()
    run(one, facts, chance)
    run(other, facts, chance)
    assert one.net() == other.net()
    final = {(c.stage, c.holder): c for c in clocks(facts, MARKED, CALENDARS, END)}
    assert {key for key, (word, _) in one.net().items() if word == "breached"} == {
        key for key, clock in final.items() if clock.state is State.BREACHED
    }
    breaches = [(key, at) for key, (word, at) in one.net().items() if word == "breached"]
    assert all(final[key].due_at == at for key, at in breaches)


@given(histories(), st.randoms(use_true_random=False))
def test_a_new_holiday_moves_a_running_clock_at_most_once_and_a_finished_one_never(
    facts: list[Fact], chance: Any
) -> None:
    watch, now = Watch(), EPOCH + minutes(chance.randrange(60 * 24 * 30))
    for fact in facts:
        if fact.received_at <= now:
            watch.learn(fact, now)
    watch.tick(now)
    before = dict(watch.stored)
    watch.recalculated.clear()
    watch.calendars = LATE
    for _ in range(2):
        watch.learn(None, now)
    assert len(watch.recalculated) == len(set(watch.recalculated)), "at most once"
    for key, row in watch.stored.items():
        if before[key].state not in OPEN:
            assert row == before[key], "what is finished stays as it was"
        elif key not in watch.recalculated:
            assert (row.due_at, row.deadline_version) == (before[key].due_at, before[key].deadline_version)


@given(histories())
def test_levels_are_reached_in_their_order_each_at_its_instant(facts: list[Fact]) -> None:
    """With facts in the order of their receipt, none of them backdated, and a tick at each moment, nothing is learnt of
    late."""
    watch = Watch()
    prompt = [fact._replace(occurred_at=fact.received_at) for fact in facts]
    for fact in sorted(prompt, key=lambda f: f.received_at):
        watch.tick(fact.received_at)
        watch.learn(fact, fact.received_at)
    watch.tick(END)
    levels: dict[Key, list[tuple[str, datetime]]] = {}
    for key, word, _, at in watch.said:
        if word.startswith(ESCALATION):
            levels.setdefault(key, []).append((word, at))
    for key, reached in levels.items():
        assert [word for word, _ in reached] == [f"escalation/{n}" for n in range(1, len(reached) + 1)]
        assert [at for _, at in reached] == sorted(at for _, at in reached)
        breached_at = watch.stored[key].due_at
        assert breached_at is not None
        assert reached[0][1] == breached_at, "the first level has no delay of its own"
