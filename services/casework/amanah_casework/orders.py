"""An agency's order, whichever way it came (its topic or HTTP), becomes one action and one event."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from amanah_casework.domain import Case, Order, Refusal, Verb, carry_out
from amanah_casework.store import Action
from amanah_chassis.masking import mask
from amanah_contracts.agency import AcknowledgeCase, DeclineCase, ReplyToCase, ResolveCase
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseDeclined,
    CaseEvent,
    CaseOrderRefused,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.vocabulary import Actor

TEXT_LIMIT, REASON_LIMIT = 8000, 2000
"""What the contracts allow; a mask may be longer than what it hides."""

AgencyOrder: TypeAlias = AcknowledgeCase | ReplyToCase | ResolveCase | DeclineCase

VERBS: dict[type[AgencyOrder], Verb] = {
    AcknowledgeCase: Verb.ACKNOWLEDGE,
    ReplyToCase: Verb.REPLY,
    ResolveCase: Verb.RESOLVE,
    DeclineCase: Verb.DECLINE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`case` is None when the order was refused."""

    case: Case | None
    action: Action
    event: CaseEvent


def order_of(message: AgencyOrder, agency: str, order_id: str, received_at: datetime) -> Order:
    """What `agency` wants; an order that does not say when it was done was done when it was received."""
    occurred_at = message.occurred_at or received_at
    return Order(order_id, message.complaint_id, VERBS[type(message)], agency, occurred_at, received_at)


def execute(case: Case, message: AgencyOrder, order: Order) -> Outcome:
    """Carries out one order on the case as it stands."""
    after = carry_out(case, order)
    if isinstance(after, Refusal):
        return Outcome(None, _action(order, after), _refused(message, order, after, case))
    return Outcome(after, _action(order, None), _done(case, message, order))


def unknown_case(message: AgencyOrder, order: Order) -> Outcome:
    """The order of an agency about a complaint that never came."""
    refusal = Refusal("unknown_complaint", "No complaint with this id was assigned; check `complaint_id`.")
    return Outcome(None, _action(order, refusal), _refused(message, order, refusal, None))


def _refused(message: AgencyOrder, order: Order, why: Refusal, case: Case | None) -> CaseOrderRefused:
    # The refusal goes to the agency that gave the order. Of a case that another holds it learns nothing.
    mine = case is not None and case.agency == order.agency
    return CaseOrderRefused(
        complaint_id=order.complaint_id,
        occurred_at=order.received_at,
        received_at=order.received_at,
        agency=order.agency,
        actor=Actor.SYSTEM,
        source_ref=case.source_ref if case and mine else None,
        order=message.type(),
        order_id=order.id,
        reason=why.reason,
        detail=why.detail,
    )


def _done(case: Case, message: AgencyOrder, order: Order) -> CaseEvent:
    """What is published of an order: its words masked, for an official may quote a number that the citizen gave."""
    shared = {
        "complaint_id": case.complaint_id,
        "occurred_at": min(order.occurred_at, order.received_at),
        "received_at": order.received_at,
        "agency": case.agency,
        "source_ref": case.source_ref,
    }
    match message:
        case AcknowledgeCase():
            return CaseAcknowledged(**shared)
        case ReplyToCase():
            return CaseReplied(**shared, reply=mask(message.reply)[:TEXT_LIMIT])
        case ResolveCase():
            outcome = None if message.outcome is None else mask(message.outcome)[:TEXT_LIMIT]
            return CaseResolved(**shared, outcome=outcome)
        case DeclineCase():
            reason = mask(message.reason)[:REASON_LIMIT]
            return CaseDeclined(**shared, reason=reason, proposed_agency=message.proposed_agency)


def _action(order: Order, refusal: Refusal | None) -> Action:
    return Action(
        complaint_id=order.complaint_id,
        agency=order.agency,
        order_id=order.id,
        verb=order.verb.value,
        outcome=refusal.reason if refusal else "done",
        detail=refusal.detail if refusal else None,
        occurred_at=order.occurred_at,
        received_at=order.received_at,
    )
