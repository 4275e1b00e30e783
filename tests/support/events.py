"""Events as their owners write them, with what a test cares about and made-up values for the rest."""

from datetime import datetime
from typing import Any
from uuid import UUID

from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseEvent,
    CaseExtended,
    CaseInformationReceived,
    CaseInformationRequested,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import (
    DeadlineAtRisk,
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineEvent,
    DeadlineMet,
    DeadlinePaused,
    DeadlineRecalculated,
    DeadlineResumed,
    DeadlineStarted,
    EscalationImpossible,
    EscalationRaised,
)
from amanah_contracts.vocabulary import Channel


def submitted(complaint: UUID, at: datetime, **more: Any) -> ComplaintSubmitted:
    given = {"tracking_code": "TST-7K2", "channel": Channel.WEB, "category": "Street Condition", "contactable": False}
    return ComplaintSubmitted(complaint_id=complaint, **{"occurred_at": at, "received_at": at} | given | more)


def routed(complaint: UUID, at: datetime, agency: str = "dot", assignment: int = 1, **more: Any) -> ComplaintRouted:
    given = {"rule": "by-name", "explanation": "named", "category": "Street Condition", "submitted_at": at}
    return ComplaintRouted(
        complaint_id=complaint, agency=agency, assignment=assignment, occurred_at=at, received_at=at, **given | more
    )


_CASE: dict[str, tuple[type[CaseEvent], dict[str, Any]]] = {
    "acknowledged": (CaseAcknowledged, {}),
    "replied": (CaseReplied, {"reply": "CANARY-REPLY"}),
    "resolved": (CaseResolved, {"outcome": "CANARY-OUTCOME"}),
    "declined": (CaseDeclined, {"reason": "not ours"}),
    "information_requested": (CaseInformationRequested, {"question": "CANARY-QUESTION"}),
    "information_received": (CaseInformationReceived, {}),
    "extended": (CaseExtended, {"reason": "CANARY-REASON"}),
    "action_withdrawn": (CaseActionWithdrawn, {"reason": "entered in error"}),
}


def case(kind: str, complaint: UUID, at: datetime, agency: str = "dot", **more: Any) -> CaseEvent:
    """`acknowledged`, `replied` … by the last word of its stem; of `action_withdrawn` give what it `withdraws`."""
    event, given = _CASE[kind]
    return event(complaint_id=complaint, agency=agency, **{"occurred_at": at, "received_at": at} | given | more)


_DEADLINE: dict[str, type[DeadlineEvent]] = {
    event.stem: event
    for event in (
        DeadlineStarted,
        DeadlinePaused,
        DeadlineResumed,
        DeadlineAtRisk,
        DeadlineRecalculated,
        DeadlineMet,
        DeadlineBreached,
        DeadlineBreachWithdrawn,
        DeadlineCancelled,
        EscalationRaised,
        EscalationImpossible,
    )
}


def deadline(stem: str, complaint: UUID, at: datetime, agency: str | None = "dot", **more: Any) -> DeadlineEvent:
    """Any event of one clock by its stem, due at `at` unless it says otherwise."""
    event = _DEADLINE[stem]
    given: dict[str, Any] = {
        "stage": "resolution",
        "rule": "given",
        "rule_version": "1",
        "due_at": at,
        "occurred_at": at,
        "received_at": at,
        "reason": "facts",
        "threshold": "half" if event is DeadlineAtRisk else "due",
        "level": 1,
        "role": "head",
        "office": agency,
        **dict.fromkeys(("at_risk_at", "breached_at", "escalated_at", "detected_at"), at),
    }
    given = {name: value for name, value in given.items() if name in event.model_fields}
    return event(complaint_id=complaint, agency=agency, **given | more)
