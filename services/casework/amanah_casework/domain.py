"""What an agency may do with a case, and when. Pure.

assigned ──acknowledge──► acknowledged ──reply──► replied ──resolve──► resolved
   │ ├──reply──────────────────────────────────────▲  │ ▲─reply─┘        (end)
   │ └──resolve (from any state but resolved, declined)
   └──decline (from assigned, acknowledged, waiting)──► declined ──routed anew──► assigned

assigned, acknowledged, replied ──request_information──► waiting ──receive_information──► as before the question
                                                            └──reply, resolve, decline: an answer ends the waiting
extend: once in each assignment; the state stays. withdraw_action: as before the last deed that stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5


class Verb(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    REPLY = "reply"
    RESOLVE = "resolve"
    DECLINE = "decline"
    REQUEST_INFORMATION = "request_information"
    RECEIVE_INFORMATION = "receive_information"
    EXTEND = "extend"
    WITHDRAW_ACTION = "withdraw_action"


CLOCK_LEEWAY = timedelta(seconds=5)
"""How far an agency's clock may be ahead of the broker's, whose stamp moreover has only whole milliseconds."""

OPEN = frozenset({"assigned", "acknowledged", "replied", "waiting"})
"""The agency still owes something."""
STAYS, BACK = "as it is", "as it was"
"""Where an order leads that has no state of its own."""

TRANSITIONS: dict[Verb, tuple[frozenset[str], str]] = {
    Verb.ACKNOWLEDGE: (frozenset({"assigned"}), "acknowledged"),
    Verb.REPLY: (OPEN, "replied"),
    Verb.RESOLVE: (OPEN, "resolved"),
    Verb.DECLINE: (frozenset({"assigned", "acknowledged", "waiting"}), "declined"),
    Verb.REQUEST_INFORMATION: (frozenset({"assigned", "acknowledged", "replied"}), "waiting"),
    Verb.RECEIVE_INFORMATION: (frozenset({"waiting"}), BACK),
    Verb.EXTEND: (OPEN, STAYS),
    Verb.WITHDRAW_ACTION: (OPEN | {"resolved", "declined"}, BACK),
}
"""Every state change allowed: verb to (from, to)."""

LOOKING_BACK = frozenset({Verb.RECEIVE_INFORMATION, Verb.EXTEND, Verb.WITHDRAW_ACTION})
"""For these it matters what was done before, and not only how the case stands."""

ACTIONS = uuid5(NAMESPACE_URL, "urn:amanah:action")


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
    broker saw it. `withdraws`: for a withdrawal, the ids under which the order may be known that it takes back."""

    id: str
    complaint_id: UUID
    verb: Verb
    agency: str
    occurred_at: datetime
    received_at: datetime
    withdraws: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Deed:
    """An order that a case's holder gave and that was carried out, in this assignment or an earlier one."""

    order_id: str
    verb: Verb
    assignment: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing changes; `reason` is a stable word, `detail` says what to do."""

    reason: str
    detail: str


def action_id(complaint_id: UUID, agency: str, verb: Verb, order_id: str) -> UUID:
    """By which a deed is known to everybody: the same as often as its order is delivered."""
    return uuid5(ACTIONS, "|".join((str(complaint_id), agency, verb, order_id)))


def carry_out(case: Case, order: Order, deeds: Sequence[Deed]) -> Case | Refusal:
    """The case after the order, or why it stands as it was. `deeds`: all of its holder's, the oldest first; an order that
    does not look back needs none."""
    refusal = _untrue(case, order) or _untimely(case, order, deeds)
    return refusal or replace(case, state=_state_after(case, order.verb, deeds))


def standing(case: Case, deeds: Sequence[Deed]) -> list[Deed]:
    """What was done in this assignment and not taken back. Only the last can be, so a withdrawal needs no name."""
    stand: list[Deed] = []
    for deed in deeds:
        if deed.assignment != case.assignment:
            continue
        if deed.verb is Verb.WITHDRAW_ACTION:
            stand.pop()
        else:
            stand.append(deed)
    return stand


def _untrue(case: Case, order: Order) -> Refusal | None:
    if order.agency != case.agency:
        return Refusal("not_the_holder", "Another agency holds this case; only its holder can act on it.")
    if order.occurred_at < case.submitted_at:
        return Refusal(
            "occurred_before_filing",
            "`occurred_at` lies before the complaint was filed; send the true time of your action.",
        )
    if order.occurred_at > order.received_at + CLOCK_LEEWAY:
        return Refusal("occurred_in_future", "`occurred_at` lies in the future; send the true time of your action.")
    return None


def _untimely(case: Case, order: Order, deeds: Sequence[Deed]) -> Refusal | None:
    allowed, _ = TRANSITIONS[order.verb]
    if case.state not in allowed:
        return Refusal(
            "not_possible_now", f"The case is {case.state}; {order.verb} is possible from: {_list(allowed)}."
        )
    if order.verb is Verb.EXTEND and any(deed.verb is Verb.EXTEND for deed in standing(case, deeds)):
        return Refusal("extended_before", "The term was extended before; it can be extended once.")
    if order.verb is Verb.WITHDRAW_ACTION:
        return _not_to_be_withdrawn(case, order, deeds)
    return None


def _not_to_be_withdrawn(case: Case, order: Order, deeds: Sequence[Deed]) -> Refusal | None:
    stand = standing(case, deeds)
    if stand and stand[-1].order_id in order.withdraws:
        return None
    named = [deed for deed in deeds if deed.order_id in order.withdraws and deed.verb is not Verb.WITHDRAW_ACTION]
    if not named:
        return Refusal(
            "unknown_order",
            "`order_id` names nothing that you did with this case; send the id of an order that was carried out. A"
            " withdrawal itself is not taken back: give the order again, under a new id.",
        )
    if named[-1].assignment == case.assignment and named[-1] not in stand:
        return Refusal("withdrawn_before", "This action was taken back before; nothing more is needed.")
    return Refusal(
        "not_the_last_action",
        "After this action something else was done with the case, or it was assigned anew; only the last action of this"
        " assignment that still stands can be taken back.",
    )


def _state_after(case: Case, verb: Verb, deeds: Sequence[Deed]) -> str:
    _, to = TRANSITIONS[verb]
    if to == STAYS:
        return case.state
    if to != BACK:
        return to
    verbs = [deed.verb for deed in standing(case, deeds)]
    return _led_to(verbs[:-1] if verb is Verb.WITHDRAW_ACTION else [*verbs, verb])


def _led_to(verbs: Sequence[Verb]) -> str:
    """The state to which these lead, one after the other, from the assignment on."""
    state = before_question = "assigned"
    for verb in verbs:
        _, to = TRANSITIONS[verb]
        if verb is Verb.REQUEST_INFORMATION:
            before_question = state
        state = {STAYS: state, BACK: before_question}.get(to, to)
    return state


def _list(states: frozenset[str]) -> str:
    return ", ".join(sorted(states))
