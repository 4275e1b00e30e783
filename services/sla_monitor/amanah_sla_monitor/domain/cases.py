"""A case: the facts of one complaint in the order in which the law lets them act, and who held it when.

Arrival order and duplicates are gone here; a fact that its own source has withdrawn acts no more.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from amanah_sla_monitor.domain.facts import ROUTED, SUBMITTED, WITHDRAWN, Fact
from amanah_sla_monitor.domain.rules import Backdating, Bound, Rule


class Effective(NamedTuple):
    """A fact and the instant at which the law lets it act."""

    at: datetime
    fact: Fact


class Holding(NamedTuple):
    """The stretch during which one agency held the case, by one assignment."""

    assignment: int
    agency: str | None
    since: datetime
    until: datetime | None


class Case:
    """The facts of one complaint in effective order, without duplicates."""

    __slots__ = ("agency", "facts", "filing", "holdings", "source_ref", "taken_back")

    def __init__(self, facts: Iterable[Fact], backdating: Backdating) -> None:
        unique = {(fact.source, fact.seq): fact for fact in facts}.values()
        effective = [Effective(effective_at(fact, backdating), fact) for fact in unique]
        if len(effective) > 1:
            effective.sort(key=lambda e: (e.at, e.fact.source, e.fact.seq))
        withdrawn = [fact for fact in unique if fact.withdraws is not None]
        self.taken_back = _taken_back(effective) if withdrawn else {}
        if self.taken_back:
            effective = [e for e in effective if (e.fact.source, e.fact.seq) not in self.taken_back]
        self.facts: Sequence[Effective] = effective
        filed = first(effective, (SUBMITTED,))
        self.filing = filed.fact if filed else None
        self.holdings = _holdings(effective)
        self.agency = self.holdings[-1].agency if self.holdings else None
        self.source_ref = next((e.fact.source_ref for e in effective if e.fact.source_ref), None)

    @property
    def promised(self) -> datetime | None:
        """The instant that the source promised, if any."""
        return self.filing.given_due_at if self.filing else None

    def holders(self, candidates: Sequence[Rule]) -> Sequence[Holding | None]:
        """Who may have a clock of this stage: each holder, and the citizen (None). Rules of one stage bind the same."""
        return self.holdings if candidates[0].bound is Bound.HOLDER else (None,)

    def concerning(self, holding: Holding | None) -> Sequence[Effective]:
        """The facts that touch the clock of a holder; for the citizen's clock all."""
        if holding is None:
            return self.facts
        return [e for e in self.facts if self._holder_of(e) == holding.assignment]

    def _holder_of(self, effective: Effective) -> int | None:
        """The assignment that a fact belongs to. A fact of the desk names only the agency: the last time, up to then, that
        this agency was given the case; the first time, where the clocks of two machines put the fact before it."""
        fact = effective.fact
        if fact.assignment is not None or fact.agency is None:
            return fact.assignment
        own = [holding for holding in self.holdings if holding.agency == fact.agency]
        begun = [holding for holding in own if holding.since <= effective.at]
        return begun[-1].assignment if begun else own[0].assignment if own else None


def first(facts: Iterable[Effective], kinds: Container[str]) -> Effective | None:
    """The first fact of one of these kinds. A loop, for it is asked some ten times of every complaint."""
    for effective in facts:
        if effective.fact.kind in kinds:
            return effective
    return None


def _taken_back(effective: Sequence[Effective]) -> dict[tuple[str, int], tuple[Effective, datetime]]:
    """The facts that their own source has withdrawn, each with the instant of its withdrawal."""
    withdrawals = {(e.fact.source, e.fact.withdraws): e.at for e in reversed(effective) if e.fact.withdraws is not None}
    return {
        key: (e, withdrawals[key])
        for e in effective
        if (key := (e.fact.source, e.fact.seq)) in withdrawals and e.fact.kind not in (SUBMITTED, ROUTED, WITHDRAWN)
    }


def effective_at(fact: Fact, backdating: Backdating) -> datetime:
    """The instant of receipt, or the earlier instant claimed by one who may backdate."""
    if fact.occurred_at < fact.received_at and backdating.allows(fact):
        return fact.occurred_at
    return fact.received_at


def _holdings(effective: Sequence[Effective]) -> Sequence[Holding]:
    """Assignments in the order of their numbers; each ends when the next begins, whatever their arrival."""
    first: dict[int, Effective] = {}
    for e in effective:
        if e.fact.kind == ROUTED and e.fact.assignment is not None:
            first.setdefault(e.fact.assignment, e)
    if len(first) <= 1:  # as of most cases
        return [Holding(number, e.fact.agency, e.at, None) for number, e in first.items()]
    numbers = sorted(first)
    starts = [first[number] for number in numbers]
    ends = [*(e.at for e in starts[1:]), None]
    return [Holding(n, e.fact.agency, e.at, end) for n, e, end in zip(numbers, starts, ends, strict=True)]


def holdings(facts: Iterable[Fact], backdating: Backdating) -> Sequence[Holding]:
    """Who held the case, from when to when, in the order of assignments."""
    return Case(facts, backdating).holdings
