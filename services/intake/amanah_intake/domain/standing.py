"""How a complaint stands, from the facts known of it. Pure; the order in which facts came to be known does not matter.

    submitted ─► in_triage ─► routed ─► acknowledged ─► replied ─► resolved
                     ▲          ▲                                   (a later fact overrides)
                     └──────────┴── declined

The holder is the agency of the highest assignment. Facts of an agency that no longer holds the complaint are history. While
no assignment is known, the facts of an agency stand for it: its reply may overtake the routing that it answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    SUBMITTED = "submitted"
    IN_TRIAGE = "in_triage"
    ROUTED = "routed"
    ACKNOWLEDGED = "acknowledged"
    REPLIED = "replied"
    DECLINED = "declined"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a complaint. `words` is what the agency wrote, for the citizen to read."""

    what: Status
    occurred_at: datetime
    received_at: datetime
    agency: str | None = None
    assignment: int | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    status: Status
    agency: str | None


_LATER = {status: rank for rank, status in enumerate(Status)}


def in_order(facts: Sequence[Fact]) -> list[Fact]:
    """As they happened; at one instant, in the order of a case's life."""
    return sorted(facts, key=lambda f: (f.occurred_at, f.assignment or 0, _LATER[f.what], *_last_resort(f)))


def standing(facts: Sequence[Fact]) -> Standing:
    assignments = [fact for fact in facts if fact.what is Status.ROUTED]
    routed = max(assignments, key=_latest_assignment, default=None)
    if routed is None:
        last = max(facts, key=_newest, default=None)
        return Standing(last.what, last.agency) if last else Standing(Status.SUBMITTED, None)
    last = max((fact for fact in facts if _bears_on(fact, routed)), key=_newest, default=routed)
    return Standing(last.what, routed.agency)


def _latest_assignment(fact: Fact) -> tuple[Any, ...]:
    return fact.assignment or 0, fact.occurred_at, *_last_resort(fact)


def _newest(fact: Fact) -> tuple[Any, ...]:
    return fact.occurred_at, _LATER[fact.what], fact.assignment or 0, *_last_resort(fact)


def _last_resort(fact: Fact) -> tuple[Any, ...]:
    """Decides between facts that are alike in all that matters, so that arrival never does."""
    return fact.received_at, fact.agency or "", fact.words or ""


def _bears_on(fact: Fact, routed: Fact) -> bool:
    """Whether a fact speaks of the present assignment."""
    if fact.what is Status.ROUTED:
        return False
    if fact.what is Status.IN_TRIAGE:
        return fact.occurred_at > routed.occurred_at
    # An agency that gets a complaint back had its say before; the first holder's say is never too early.
    return fact.agency == routed.agency and (routed.assignment == 1 or fact.occurred_at >= routed.occurred_at)
