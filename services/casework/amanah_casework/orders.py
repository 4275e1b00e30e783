"""An agency's order, whichever way it came (its topic or HTTP), becomes one action and one event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from amanah_casework.domain import Case, Deed, Order, Refusal, Verb, action_id, carry_out, standing
from amanah_casework.store import Action
from amanah_chassis.decode import order_id
from amanah_chassis.masking import mask
from amanah_contracts.agency import (
    AcknowledgeCase,
    DeclineCase,
    ExtendCase,
    ReceiveInformationOnCase,
    ReplyToCase,
    RequestInformationOnCase,
    ResolveCase,
    WithdrawActionOnCase,
)
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseEvent,
    CaseExtended,
    CaseInformationReceived,
    CaseInformationRequested,
    CaseOrderRefused,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.vocabulary import Actor

TEXT_LIMIT, REASON_LIMIT, ARTICLE_LIMIT = 8000, 2000, 200
"""What the contracts allow; a mask may be longer than what it hides."""

_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""What any zone can show and the database hold."""

AgencyOrder: TypeAlias = (
    AcknowledgeCase
    | ReplyToCase
    | ResolveCase
    | DeclineCase
    | RequestInformationOnCase
    | ReceiveInformationOnCase
    | ExtendCase
    | WithdrawActionOnCase
)

VERBS: dict[type[AgencyOrder], Verb] = {
    AcknowledgeCase: Verb.ACKNOWLEDGE,
    ReplyToCase: Verb.REPLY,
    ResolveCase: Verb.RESOLVE,
    DeclineCase: Verb.DECLINE,
    RequestInformationOnCase: Verb.REQUEST_INFORMATION,
    ReceiveInformationOnCase: Verb.RECEIVE_INFORMATION,
    ExtendCase: Verb.EXTEND,
    WithdrawActionOnCase: Verb.WITHDRAW_ACTION,
}
EVENTS: dict[type[AgencyOrder], type[CaseEvent]] = {
    AcknowledgeCase: CaseAcknowledged,
    ReplyToCase: CaseReplied,
    ResolveCase: CaseResolved,
    DeclineCase: CaseDeclined,
    RequestInformationOnCase: CaseInformationRequested,
    ReceiveInformationOnCase: CaseInformationReceived,
    ExtendCase: CaseExtended,
    WithdrawActionOnCase: CaseActionWithdrawn,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`case` is None when the order was refused."""

    case: Case | None
    action: Action
    event: CaseEvent


def order_of(message: AgencyOrder, agency: str, order_id: str, received_at: datetime) -> Order:
    """What `agency` wants; an order that does not say when it was done was done when it was received."""
    return Order(
        id=order_id,
        complaint_id=message.complaint_id,
        verb=VERBS[type(message)],
        agency=agency,
        occurred_at=_in_reach(message.occurred_at or received_at),
        received_at=received_at,
        withdraws=_known_as(agency, message.order_id) if isinstance(message, WithdrawActionOnCase) else frozenset(),
    )


def _in_reach(claimed: datetime) -> datetime:
    """A time so absurd that it falls off the calendar in another zone becomes its edge, and is refused like any other."""
    return min(max(claimed, _EARLIEST), _LATEST)


def execute(case: Case, message: AgencyOrder, order: Order, deeds: Sequence[Deed]) -> Outcome:
    """Carries out one order on the case as it stands; `deeds`: what its holder did with it so far."""
    after = carry_out(case, order, deeds)
    if isinstance(after, Refusal):
        return Outcome(None, _action(order, after, None), _refused(message, order, after, case))
    return Outcome(after, _action(order, None, case.assignment), _done(case, message, order, deeds))


def unknown_case(message: AgencyOrder, order: Order) -> Outcome:
    """The order of an agency about a complaint that never came."""
    refusal = Refusal("unknown_complaint", "No complaint with this id was assigned; check `complaint_id`.")
    return Outcome(None, _action(order, refusal, None), _refused(message, order, refusal, None))


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


def _done(case: Case, message: AgencyOrder, order: Order, deeds: Sequence[Deed]) -> CaseEvent:
    said = _words(message)
    if isinstance(message, WithdrawActionOnCase):
        said["withdraws"] = _last(case, deeds)
    return EVENTS[type(message)](
        complaint_id=case.complaint_id,
        occurred_at=min(order.occurred_at, order.received_at),
        received_at=order.received_at,
        agency=case.agency,
        source_ref=case.source_ref,
        action=action_id(case.complaint_id, case.agency, order.verb, order.id),
        **said,
    )


def _words(message: AgencyOrder) -> dict[str, Any]:
    """What is published of an order: its words masked, for an official may quote a number that the citizen gave."""
    said: dict[str, Any] = {}
    match message:
        case ReplyToCase():
            said["reply"] = _masked(message.reply, TEXT_LIMIT)
        case ResolveCase():
            said["outcome"] = _masked(message.outcome, TEXT_LIMIT)
        case DeclineCase():
            said["reason"] = _masked(message.reason, REASON_LIMIT)
            said["proposed_agency"] = message.proposed_agency
        case RequestInformationOnCase():
            said["question"] = _masked(message.question, TEXT_LIMIT)
        case ExtendCase():
            said["reason"] = _masked(message.reason, REASON_LIMIT)
            said["article"] = _masked(message.article, ARTICLE_LIMIT)
        case WithdrawActionOnCase():
            said["reason"] = _masked(message.reason, REASON_LIMIT)
    return said


def _last(case: Case, deeds: Sequence[Deed]) -> UUID:
    """The only deed that can be taken back."""
    last = standing(case, deeds)[-1]
    return action_id(case.complaint_id, case.agency, last.verb, last.order_id)


def _known_as(agency: str, named: str) -> frozenset[str]:
    """An agency names an order as it gave it. Given over HTTP it is kept as the header came, whose bytes say no encoding;
    given on the agency's topic, as the chassis reads a `ce_id`."""
    header = named.encode().decode("latin-1")
    return frozenset({named, header, str(order_id(header, f"amanah.agency.{agency}.replies"))})


def _masked(text: str | None, limit: int) -> str | None:
    """As it is published. NUL, which JSON may hold, no database takes as text: whoever reads the event could not keep it."""
    return None if text is None else mask(text.replace("\0", "\ufffd"))[:limit]


def _action(order: Order, refusal: Refusal | None, assignment: int | None) -> Action:
    return Action(
        complaint_id=order.complaint_id,
        agency=order.agency,
        order_id=order.id,
        verb=order.verb.value,
        outcome=refusal.reason if refusal else "done",
        detail=refusal.detail if refusal else None,
        occurred_at=order.occurred_at,
        received_at=order.received_at,
        assignment=assignment,
    )
