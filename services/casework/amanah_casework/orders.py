"""An agency's order, whichever way it came (its topic or HTTP), becomes one action and one event."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from amanah_casework.domain import Case, Order, Refusal, Verb, carry_out
from amanah_casework.store import Action
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


def execute(case: Case, message: AgencyOrder, order: Order, order_id: str) -> Outcome:
    """Carries out one order on the case as it stands."""
    after = carry_out(case, order)
    if isinstance(after, Refusal):
        return Outcome(
            None, _action(message.complaint_id, order, order_id, after), refused(message, order, order_id, after, case)
        )
    return Outcome(after, _action(message.complaint_id, order, order_id, None), _done(case, message, order))


def unknown_case(message: AgencyOrder, order: Order, order_id: str) -> Outcome:
    """The order of an agency about a complaint that never came."""
    refusal = Refusal("unknown_complaint", "No complaint with this id was assigned; check `complaint_id`.")
    return Outcome(
        None, _action(message.complaint_id, order, order_id, refusal), refused(message, order, order_id, refusal, None)
    )


def refused(message: AgencyOrder, order: Order, order_id: str, why: Refusal, case: Case | None) -> CaseOrderRefused:
    # The refusal goes to the agency that gave the order, not to the one that holds the case.
    mine = case is not None and case.agency == order.agency
    return CaseOrderRefused(
        complaint_id=message.complaint_id,
        occurred_at=order.received_at,
        received_at=order.received_at,
        agency=order.agency,
        actor=Actor.SYSTEM,
        source_ref=case.source_ref if case is not None and mine else None,
        order=message.type(),
        order_id=order_id,
        reason=why.reason,
        detail=why.detail,
    )


def _done(case: Case, message: AgencyOrder, order: Order) -> CaseEvent:
    shared = {
        "complaint_id": case.complaint_id,
        "occurred_at": order.occurred_at,
        "received_at": order.received_at,
        "agency": case.agency,
        "source_ref": case.source_ref,
    }
    match message:
        case AcknowledgeCase():
            return CaseAcknowledged(**shared)
        case ReplyToCase():
            return CaseReplied(**shared, reply=message.reply)
        case ResolveCase():
            return CaseResolved(**shared, outcome=message.outcome)
        case DeclineCase():
            return CaseDeclined(**shared, reason=message.reason, proposed_agency=message.proposed_agency)


def _action(complaint_id: UUID, order: Order, order_id: str, refusal: Refusal | None) -> Action:
    return Action(
        complaint_id=complaint_id,
        agency=order.agency,
        order_id=order_id,
        verb=order.verb.value,
        outcome=refusal.reason if refusal else "done",
        detail=refusal.detail if refusal else None,
        occurred_at=order.occurred_at,
        received_at=order.received_at,
    )
