"""A whole case counted again: from its facts as they are stored to the state of each clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from amanah_sla_monitor.reconciler.law import Law, Office, Rule
from amanah_sla_monitor.reconciler.recount import Pause, due

SUBMITTED, ROUTED = "complaint.submitted", "complaint.routed"


class Known(NamedTuple):
    """A stored fact, with the instant from which it counts."""

    at: datetime
    data: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.data["kind"])

    @property
    def agency(self) -> str | None:
        return self.data.get("agency")


class Holding(NamedTuple):
    """Who held the case from when until when."""

    number: int
    agency: str | None
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Recounted:
    """One clock as it stands at the instant asked for."""

    stage: str
    holder: int
    rule: str
    rule_version: str
    calendar: str | None
    started_at: datetime
    due_at: datetime | None
    state: str
    """`open`, `met`, `breached` or `cancelled`."""
    ended_at: datetime | None = None


Key = tuple[str, int]


def recount_case(law: Law, facts: Iterable[Mapping[str, Any]], now: datetime) -> dict[Key, Recounted]:
    """Every clock of a case by stage and holder; 0 is the citizen's own."""
    known = _known(law, facts)
    holdings = _holdings(known)
    found: dict[Key, Recounted] = {}
    running = [rule for rule in law.rules if rule.runs]
    for stage in dict.fromkeys(rule.stage for rule in running):
        rules = [rule for rule in running if rule.stage == stage]
        for clock in _of_stage(law, rules, known, holdings, now):
            found[clock.stage, clock.holder] = clock
    return found


def _of_stage(
    law: Law, rules: Sequence[Rule], known: Sequence[Known], holdings: Sequence[Holding], now: datetime
) -> Iterable[Recounted]:
    if not rules[0].by_holder:
        if clock := _clock(law, rules, known, None, holdings, now):
            yield clock
        return
    for holding in holdings:
        if clock := _clock(law, rules, _within(holding, holdings, known), holding, holdings, now):
            yield clock


def _clock(
    law: Law,
    rules: Sequence[Rule],
    facts: Sequence[Known],
    holding: Holding | None,
    holdings: Sequence[Holding],
    now: datetime,
) -> Recounted | None:
    filed = next((fact for fact in facts if fact.kind == SUBMITTED), None)
    for rule in rules:
        start = next((fact for fact in facts if fact.kind in rule.starts), None)
        if start is None:
            continue
        agency = holding.agency if holding else _holder_at(holdings, start.at)
        # The citizen's own clock follows the pack's calendar: it must not change with whoever holds the case.
        office = law.office(rule, agency if holding else None)
        if not rule.since <= office.day_of(start.at) <= rule.until or not _covers(law, rule, filed, agency):
            continue
        if rule.unit == "given":
            promised = filed.data.get("given_due_at") if filed else None
            if promised is None:
                continue
            instant: datetime | None = _instant(promised)
        else:
            instant = _due(rule, office, start.at, facts)
        stop = next((fact.at for fact in facts if fact.kind in rule.stops), None)
        handed_over = holding.until if holding else None
        state, ended = _state(instant, stop, handed_over, now)
        label = None if rule.unit in ("given", "hour") else office.label
        key = holding.number if holding else 0
        return Recounted(rule.stage, key, rule.id, rule.version, label, start.at, instant, state, ended)
    return None


def _state(
    instant: datetime | None, stop: datetime | None, handed_over: datetime | None, now: datetime
) -> tuple[str, datetime | None]:
    """What came first: the answer, the transfer or the due instant. What comes at the due instant itself is in time."""
    ended, word = stop, "met"
    if handed_over is not None and (stop is None or handed_over < stop):
        ended, word = handed_over, "cancelled"
    if ended is not None and (instant is None or ended <= instant):
        return word, ended
    if instant is not None and instant <= now:
        return "breached", ended
    return "open", ended


# -- facts ---------------------------------------------------------------------------------------------------------------


def _known(law: Law, facts: Iterable[Mapping[str, Any]]) -> list[Known]:
    """Each fact once, in the order of the instants from which they count. What its own source took back never was, whenever
    that came; only filings and assignments are not taken back."""
    once = {(fact["source"], fact["seq"]): fact for fact in facts}
    never = {(fact["source"], fact["withdraws"]) for fact in once.values() if fact.get("withdraws") is not None}
    stand = [fact for key, fact in once.items() if key not in never or fact["kind"] in (SUBMITTED, ROUTED)]
    return sorted((Known(_counts_from(law, fact), fact) for fact in stand), key=_order)


def _order(known: Known) -> tuple[datetime, str, int]:
    return known.at, known.data["source"], known.data["seq"]


def _counts_from(law: Law, fact: Mapping[str, Any]) -> datetime:
    """A claim earlier than its receipt counts only from who may backdate, one of the future from nobody."""
    occurred, received = _instant(fact["occurred_at"]), _instant(fact["received_at"])
    trusted = fact.get("channel") in law.channels or fact.get("actor") in law.actors
    return min(occurred, received) if trusted else received


def _instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _holdings(known: Sequence[Known]) -> list[Holding]:
    """By number: an assignment lasts until the next one, whatever two machines' clocks say."""
    routed = {fact.data["assignment"]: fact for fact in reversed(known) if fact.kind == ROUTED}
    numbers = sorted(routed)
    ends = {number: routed[after].at for number, after in pairwise(numbers)}
    return [Holding(number, routed[number].agency, routed[number].at, ends.get(number)) for number in numbers]


def _within(holding: Holding, holdings: Sequence[Holding], known: Sequence[Known]) -> list[Known]:
    """The facts of one holding: the filing, its own assignment, and what its agency did on the strength of it."""
    return [fact for fact in known if _belongs(fact, holding, holdings)]


def _belongs(fact: Known, holding: Holding, holdings: Sequence[Holding]) -> bool:
    """What an agency does belongs to the last holding of its own that had begun. What it did before it ever held the case
    belongs to its first: machines' clocks differ, and a paper answer may be older than the assignment."""
    if fact.kind == SUBMITTED:
        return True
    if fact.kind == ROUTED:
        return bool(fact.data["assignment"] == holding.number)
    its_own = [one for one in holdings if one.agency == fact.agency]
    begun = [one for one in its_own if one.since <= fact.at]
    return holding in (begun[-1:] or its_own[:1])


def _holder_at(holdings: Sequence[Holding], instant: datetime) -> str | None:
    held = [holding for holding in holdings if holding.since <= instant]
    return held[-1].agency if held else None


def _pauses(rule: Rule, facts: Sequence[Known]) -> list[Pause]:
    """From the first fact that pauses to the next that resumes."""
    found: list[Pause] = []
    since: datetime | None = None
    for fact in facts:
        if fact.kind in rule.pauses and since is None:
            since = fact.at
        elif fact.kind in rule.resumes and since is not None:
            found.append((since, fact.at))
            since = None
    return [*found, (since, None)] if since is not None else found


def _due(rule: Rule, office: Office, start: datetime, facts: Sequence[Known]) -> datetime | None:
    """With the extension, if one was granted while the plain term still ran: what has passed cannot be extended."""
    pauses = _pauses(rule, facts)
    plain = due(rule, office, start, pauses)
    granted = next((fact.at for fact in facts if fact.kind in rule.extends), None)
    if granted is None or (plain is not None and plain < granted):
        return plain
    return due(rule, office, start, pauses, rule.extension)


def _covers(law: Law, rule: Rule, filed: Known | None, agency: str | None) -> bool:
    """Whether every condition of the rule is fulfilled; what is not known fulfils none."""
    for name, codes in rule.applies.items():
        if name == "agency":
            fulfilled = agency in codes
        elif name == "agency_type":
            fulfilled = law.type_of_agency.get(agency or "") in codes
        elif name == "region":
            fulfilled = str(filed.data.get("region") or "").startswith(codes) if filed else False
        else:
            fulfilled = filed is not None and filed.data.get(name) in codes
        if not fulfilled:
            return False
    return True
