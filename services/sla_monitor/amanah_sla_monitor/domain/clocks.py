"""The fold: from all facts of a complaint to the state of each of its clocks.

                 start fact                    pause fact
    (nothing) ───────────────▶ RUNNING ◀──────────────────▶ PAUSED
                                 │  │       resume fact        │
          stop fact in time      │  │  due instant passed,     │  the holder lost the case
       ┌─────────────────────────┤  │  no stop fact in time    ├────────────────────────┐
       ▼                         │  ▼                          ▼                        ▼
      MET ◀──────────────────── BREACHED ─────────────────────────────────────────▶ CANCELLED
            a stop received in time         a transfer within the term
            is learnt of late               is learnt of late

Arrival order, duplicates and lateness change nothing: facts are a set, ordered here by their effective instants. That is the
instant of receipt at our edge, or the earlier instant claimed where the law lets that channel or actor backdate. A fact is
in time if its effective instant is not after the due instant. A fact that its own source takes back never was; only filings
and assignments are not taken back: the next assignment corrects them. A clock whose start was taken back is cancelled.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from amanah_sla_monitor.domain.calendars import Calendar, Calendars
from amanah_sla_monitor.domain.cases import Case, Effective, Holding, first
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.facts import ROUTED, WITHDRAWN, Fact
from amanah_sla_monitor.domain.rules import Rule, Rules, Unit

CITIZEN = 0
"""The holder of the citizen's own clocks."""


class State(StrEnum):
    """The state of one clock."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


class Clock(NamedTuple):
    """One deadline of one complaint, unique by (stage, holder)."""

    stage: str
    holder: int
    agency: str | None
    rule: Rule
    calendar: Calendar | None
    """None where no day is counted."""
    started_at: datetime
    due_at: datetime | None
    """None while an open pause leaves no such instant."""
    state: State
    ended_at: datetime | None = None
    """When it was met, or answered too late, or cancelled."""
    ended_by: str | None = None
    """The kind of fact that ended it."""
    pauses: tuple[Pause, ...] = ()
    extension: int = 0
    source_ref: str | None = None


def clocks(
    facts: Iterable[Fact],
    rules: Rules,
    calendars: Calendars,
    now: datetime,
    left_out: Container[tuple[str, int]] = (),
) -> tuple[Clock, ...]:
    """Every clock that the facts have started, as it stands at `now`, in the order of stages and holders; but for those
    `left_out`, by stage and holder."""
    case = Case(facts, rules.backdating)
    kinds = {e.fact.kind for e in case.facts}
    result: list[Clock] = []
    for beginning, candidates in rules.stages:
        if beginning.isdisjoint(kinds) and not case.taken_back:
            continue  # of every complaint most stages have not begun
        for holding in case.holders(candidates):
            if left_out and (candidates[0].stage, holding.assignment if holding else CITIZEN) in left_out:
                continue
            clock = _clock(case, candidates, calendars, holding, now)
            if clock is not None:
                result.append(clock)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Start:
    """A stage that has begun for a holder: by which of its rules it is counted, or that none covers it."""

    stage: str
    holder: int
    agency: str | None
    at: datetime
    candidates: Sequence[Rule]
    """Those that this fact starts."""
    rule: Rule | None


def starts(facts: Iterable[Fact], rules: Rules, calendars: Calendars) -> Iterator[Start]:
    """Every stage that has begun, whether or not a clock came of it."""
    case = Case(facts, rules.backdating)
    for stage, candidates in rules.by_stage.items():
        for holding in case.holders(candidates):
            agency = holding.agency if holding else case.agency
            concerning = case.concerning(holding)
            begun = next((e for e in concerning if any(e.fact.kind in rule.starts for rule in candidates)), None)
            if begun is None:
                continue
            found = _deciding(case, candidates, calendars, holding, concerning)
            unpromised = found is not None and found[0].term.unit is Unit.GIVEN and not case.promised
            rule = None if found is None or unpromised else found[0]
            holder = holding.assignment if holding else CITIZEN
            yield Start(stage, holder, agency, begun.at, candidates, rule)


def _clock(
    case: Case, candidates: Sequence[Rule], calendars: Calendars, holding: Holding | None, now: datetime
) -> Clock | None:
    """The clock of one stage for one holder: by the first rule that has a start, is in force that day, and covers."""
    concerning = case.concerning(holding)
    found = _deciding(case, candidates, calendars, holding, concerning)
    if found is not None:
        rule, calendar, start = found
        return _run(case, rule, calendar, holding, start=start, facts=concerning, now=now)
    return _never_begun(case, candidates, calendars, holding) if case.taken_back else None


def _deciding(
    case: Case,
    candidates: Sequence[Rule],
    calendars: Calendars,
    holding: Holding | None,
    concerning: Sequence[Effective],
) -> tuple[Rule, Calendar, datetime] | None:
    """The rule that decides, the calendar it counts by, and the instant of its start."""
    agency = holding.agency if holding else case.agency
    for rule in candidates:
        begun = first(concerning, rule.starts)
        if begun is None or not rule.applies.covers(case.filing, agency):
            continue
        calendar = calendars.of(rule.calendar, agency if holding else None)
        if rule.in_force(calendar.local(begun.at).date()):
            return rule, calendar, begun.at
    return None


def _never_begun(case: Case, candidates: Sequence[Rule], calendars: Calendars, holding: Holding | None) -> Clock | None:
    """A clock that only facts taken back had started: it may have been said to run, so it is said to be cancelled."""
    agency = holding.agency if holding else case.agency
    for begun, withdrawn_at in case.taken_back.values():
        if holding is not None and begun.fact.agency != holding.agency:
            continue
        for rule in candidates:
            calendar = calendars.of(rule.calendar, agency if holding else None)
            begins = begun.fact.kind in rule.starts and rule.applies.covers(case.filing, agency)
            if begins and rule.term.unit is not Unit.GIVEN and rule.in_force(calendar.local(begun.at).date()):
                due_at = due(rule.term, calendar, begun.at)
                holder = holding.assignment if holding else CITIZEN
                return Clock(
                    rule.stage,
                    holder,
                    agency,
                    rule,
                    calendar,
                    begun.at,
                    due_at,
                    State.CANCELLED,
                    ended_at=withdrawn_at,
                    ended_by=WITHDRAWN,
                    source_ref=case.source_ref,
                )
    return None


def _run(
    case: Case,
    rule: Rule,
    calendar: Calendar,
    holding: Holding | None,
    *,
    start: datetime,
    facts: Sequence[Effective],
    now: datetime,
) -> Clock | None:
    """Lets one clock run through its facts."""
    pauses: tuple[Pause, ...] = ()
    extension = 0
    if rule.term.unit is Unit.GIVEN:
        due_at = case.promised
        if due_at is None:
            return None  # the source promised nothing
    else:
        pauses = _pauses(rule, facts) if rule.pauses else ()
        due_at = due(rule.term, calendar, start, pauses)
        if rule.extension and _extended(rule, facts, due_at):
            extension = rule.extension.length
            due_at = due(rule.term, calendar, start, pauses, extension)
    stop = first(facts, rule.stops)
    state, ended_at, ended_by = _end(due_at, stop, holding, now)
    if state is State.RUNNING and pauses and pauses[-1].end is None:
        state = State.PAUSED
    return Clock(
        rule.stage,
        holding.assignment if holding else CITIZEN,
        holding.agency if holding else case.agency,
        rule,
        None if rule.term.unit is Unit.GIVEN else calendar,
        start,
        due_at,
        state,
        ended_at,
        ended_by,
        pauses,
        extension,
        case.source_ref,
    )


def _end(
    due_at: datetime | None, stop: Effective | None, holding: Holding | None, now: datetime
) -> tuple[State, datetime | None, str | None]:
    """How the clock stands: met by a stop in time, cancelled by a transfer in time and before any stop, breached, or not
    yet ended. An answer that came too late, or the loss of the case after the breach, is kept beside it."""
    lost_at = holding.until if holding else None
    stopped_at = stop.at if stop else None
    if stop and (due_at is None or stop.at <= due_at) and (lost_at is None or stop.at <= lost_at):
        return State.MET, stop.at, stop.fact.kind
    if lost_at is not None and (due_at is None or lost_at <= due_at):
        return State.CANCELLED, lost_at, ROUTED
    if due_at is None or now < due_at:
        return State.RUNNING, stopped_at, stop.fact.kind if stop else None
    if lost_at is not None and (stop is None or lost_at < stop.at):
        return State.BREACHED, lost_at, ROUTED
    return State.BREACHED, stopped_at, stop.fact.kind if stop else None


def _pauses(rule: Rule, facts: Sequence[Effective]) -> tuple[Pause, ...]:
    """The stretches between a pause fact and the next resumption; a second pause within one changes nothing."""
    result: list[Pause] = []
    standing: datetime | None = None
    for e in facts:
        if standing is None and e.fact.kind in rule.pauses:
            standing = e.at
        elif standing is not None and e.fact.kind in rule.resumes:
            result.append(Pause(standing, e.at))
            standing = None
    if standing is not None:
        result.append(Pause(standing, None))
    return tuple(result)


def _extended(rule: Rule, facts: Sequence[Effective], due_at: datetime | None) -> bool:
    """Whether the term was extended while it still ran."""
    assert rule.extension is not None
    kinds = rule.extension.facts
    return any(e.fact.kind in kinds and (due_at is None or e.at <= due_at) for e in facts)
