"""How a complaint stands, from the facts known of it. Pure; the order in which facts came to be known does not matter.

    submitted ─► in_triage ─► routed ─► acknowledged ─► replied ─► resolved
                     ▲          ▲           │  ▲                    (a later fact overrides)
                     └──────────┴─ declined │  │ what was asked has come
                                            ▼  │
                                    waiting_for_you

The holder is the agency of the highest assignment. Facts of an agency that no longer holds the complaint are history. While
no assignment is known, the facts of an agency stand for it: its reply may overtake the routing that it answers. What was
taken back stays in the timeline, marked, and bears on nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class What(StrEnum):
    """What may happen to a complaint, in the order of a case's life."""

    IN_TRIAGE = "in_triage"
    ROUTED = "routed"
    ACKNOWLEDGED = "acknowledged"
    INFORMATION_REQUESTED = "information_requested"
    INFORMATION_RECEIVED = "information_received"
    EXTENDED = "extended"
    REPLIED = "replied"
    DECLINED = "declined"
    RESOLVED = "resolved"
    ACTION_WITHDRAWN = "action_withdrawn"


class Status(StrEnum):
    """How a complaint stands, in a word for its citizen."""

    SUBMITTED = "submitted"
    IN_TRIAGE = "in_triage"
    ROUTED = "routed"
    ACKNOWLEDGED = "acknowledged"
    WAITING_FOR_YOU = "waiting_for_you"
    REPLIED = "replied"
    DECLINED = "declined"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a complaint. `words` is what the agency wrote, for the citizen to read."""

    what: What
    occurred_at: datetime
    received_at: datetime
    agency: str | None = None
    assignment: int | None = None
    words: str | None = None
    action: UUID | None = None
    """By which it may be taken back."""
    withdraws: UUID | None = None
    """The action that it takes back."""


@dataclass(frozen=True, slots=True)
class Standing:
    status: Status
    agency: str | None
    question: str | None = None
    """What the agency waits for the citizen to answer."""


_RANK = {what: rank for rank, what in enumerate(What)}
_STATUS: dict[What, Status] = {what: Status(what.value) for what in What if what.value in {s.value for s in Status}}
"""What alone says how a complaint stands; other facts leave it as it was."""
_LEAVES_OPEN = frozenset({What.ACKNOWLEDGED, What.INFORMATION_REQUESTED, What.EXTENDED, What.ACTION_WITHDRAWN})
"""A question stands through these; anything else that comes after it means that no answer is awaited any more."""


def in_order(facts: Sequence[Fact]) -> list[Fact]:
    """As they happened; at one instant, in the order of a case's life."""
    return sorted(facts, key=lambda f: (f.occurred_at, f.assignment or 0, _RANK[f.what], *_last_resort(f)))


def taken_back(facts: Sequence[Fact]) -> frozenset[UUID]:
    """The actions that never were."""
    return frozenset(fact.withdraws for fact in facts if fact.withdraws is not None)


def standing(facts: Sequence[Fact]) -> Standing:
    void = taken_back(facts)
    holding = [fact for fact in facts if fact.action is None or fact.action not in void]
    routed = max((fact for fact in holding if fact.what is What.ROUTED), key=_latest_assignment, default=None)
    bearing = holding if routed is None else [fact for fact in holding if _bears_on(fact, routed)]
    speaker = routed or max(bearing, key=_newest, default=None)
    agency = speaker.agency if speaker else None
    if question := _open_question(bearing):
        return Standing(Status.WAITING_FOR_YOU, agency, question.words)
    last = max((fact for fact in bearing if fact.what in _STATUS), key=_newest, default=routed)
    return Standing(_STATUS[last.what] if last else Status.SUBMITTED, agency)


def _open_question(bearing: Sequence[Fact]) -> Fact | None:
    """The last one asked, if nothing that came after it has closed it."""
    asked = max((fact for fact in bearing if fact.what is What.INFORMATION_REQUESTED), key=_newest, default=None)
    if asked is None or any(f.what not in _LEAVES_OPEN and _newest(f) > _newest(asked) for f in bearing):
        return None
    return asked


def _latest_assignment(fact: Fact) -> tuple[Any, ...]:
    return fact.assignment or 0, fact.occurred_at, *_last_resort(fact)


def _newest(fact: Fact) -> tuple[Any, ...]:
    return fact.occurred_at, _RANK[fact.what], fact.assignment or 0, *_last_resort(fact)


def _last_resort(fact: Fact) -> tuple[Any, ...]:
    """Decides between facts that are alike in all that matters, so that arrival never does."""
    return fact.received_at, fact.agency or "", fact.words or "", str(fact.action), str(fact.withdraws)


def _bears_on(fact: Fact, routed: Fact) -> bool:
    """Whether a fact speaks of the present assignment."""
    if fact.what is What.ROUTED:
        return False
    if fact.what is What.IN_TRIAGE:
        return fact.occurred_at > routed.occurred_at
    # An agency that gets a complaint back had its say before; the first holder's say is never too early.
    return fact.agency == routed.agency and (routed.assignment == 1 or fact.occurred_at >= routed.occurred_at)
