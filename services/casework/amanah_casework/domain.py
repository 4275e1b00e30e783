"""What an agency may do with a case, and when. Pure.

assigned ──acknowledge──► acknowledged ──reply──► replied ──resolve──► resolved
   │ ├──reply──────────────────────────────────────▲  │ ▲─reply─┘        (end)
   │ └──resolve (from any state but resolved, declined)
   └──decline (from assigned, acknowledged)──► declined ──routed anew──► assigned
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class Verb(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    REPLY = "reply"
    RESOLVE = "resolve"
    DECLINE = "decline"


CLOCK_LEEWAY = timedelta(seconds=5)
"""How far an agency's clock may be ahead of the broker's, whose stamp moreover has only whole milliseconds."""

TRANSITIONS: dict[Verb, tuple[frozenset[str], str]] = {
    Verb.ACKNOWLEDGE: (frozenset({"assigned"}), "acknowledged"),
    Verb.REPLY: (frozenset({"assigned", "acknowledged", "replied"}), "replied"),
    Verb.RESOLVE: (frozenset({"assigned", "acknowledged", "replied"}), "resolved"),
    Verb.DECLINE: (frozenset({"assigned", "acknowledged"}), "declined"),
}
"""Every state change allowed: verb to (from, to)."""


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint in the hands of one agency. Instants are UTC-aware."""

    complaint_id: UUID
    agency: str
    assignment: int
    state: str
    category: str
    region: str | None
    visibility: str
    narrative: str | None
    source_ref: str | None
    submitted_at: datetime
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """What an agency wants done. `id` as it names the order; `occurred_at` as it claims, `received_at` as our edge or the
    broker saw it."""

    id: str
    complaint_id: UUID
    verb: Verb
    agency: str
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing changes; `reason` is a stable word, `detail` says what to do."""

    reason: str
    detail: str


def carry_out(case: Case, order: Order) -> Case | Refusal:
    """The case after the order, or why it stands as it was."""
    if order.agency != case.agency:
        return Refusal("not_the_holder", "Another agency holds this case; only its holder can act on it.")
    if order.occurred_at < case.submitted_at:
        return Refusal(
            "occurred_before_filing",
            "`occurred_at` lies before the complaint was filed; send the true time of your action.",
        )
    if order.occurred_at > order.received_at + CLOCK_LEEWAY:
        return Refusal("occurred_in_future", "`occurred_at` lies in the future; send the true time of your action.")
    allowed, after = TRANSITIONS[order.verb]
    if case.state not in allowed:
        return Refusal(
            "not_possible_now", f"The case is {case.state}; {order.verb} is possible from: {_list(allowed)}."
        )
    return replace(case, state=after)


def _list(states: frozenset[str]) -> str:
    return ", ".join(sorted(states))
