"""Events as their owners write them, with what a test cares about and made-up values for the rest."""

from datetime import datetime
from typing import Any
from uuid import UUID

from amanah_contracts.casework import CaseAcknowledged, CaseDeclined, CaseEvent, CaseReplied, CaseResolved
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
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
}


def case(kind: str, complaint: UUID, at: datetime, agency: str = "dot", **more: Any) -> CaseEvent:
    """`acknowledged`, `replied`, `resolved` or `declined`."""
    event, given = _CASE[kind]
    return event(complaint_id=complaint, agency=agency, **{"occurred_at": at, "received_at": at} | given | more)
