"""Events in the words of notices: what may be told, and nothing else, leaves them here."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from amanah_chassis.batch import Delivered
from amanah_contracts.casework import CaseEvent
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import (
    DeadlineAtRisk,
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineEvent,
    EscalationImpossible,
    EscalationRaised,
)
from amanah_contracts.vocabulary import Visibility
from amanah_notifier.domain import Answer, Clock, Complaint, Happening, clock_occasion


def complaint(event: ComplaintSubmitted) -> Complaint:
    restricted = event.visibility is Visibility.WHISTLE_BLOWER
    return Complaint(event.complaint_id, event.tracking_code, event.contactable and not restricted, restricted)


def routed(delivered: Delivered[ComplaintRouted]) -> Happening:
    event = delivered.event
    return Happening(
        event.complaint_id,
        event.stem,
        event.type(),
        occasion=str(event.assignment),
        agency=event.agency,
        facts={"assignment": str(event.assignment)},
        traceparent=delivered.traceparent,
    )


def acted(delivered: Delivered[Any]) -> Happening:
    """Of what an agency did, the citizen is told that it happened; the words stay on the site."""
    event: CaseEvent = delivered.event
    return Happening(
        event.complaint_id,
        event.stem,
        event.type(),
        # An agency may do so more than once, and each time is told: the desk's id of the deed tells them apart, by which it
        # may be taken back, or the event's own where there is none.
        occasion=str(event.action or delivered.id),
        agency=event.agency,
        facts={"source_ref": event.source_ref or ""},
        traceparent=delivered.traceparent,
    )


def at_risk(delivered: Delivered[DeadlineAtRisk]) -> Happening:
    event = delivered.event
    facts = {
        "threshold": event.threshold,
        "at_risk_at": _iso(event.at_risk_at),
        "detected_at": _iso(event.detected_at),
    }
    return replace(_of_clock(delivered, event.threshold, facts), since=event.at_risk_at)


def breached(delivered: Delivered[DeadlineBreached]) -> Happening:
    event = delivered.event
    facts = {
        "threshold": event.threshold,
        "due_at": _iso(event.due_at or event.breached_at),
        "breached_at": _iso(event.breached_at),
        "detected_at": _iso(event.detected_at),
    }
    return _of_clock(delivered, event.threshold, facts)


def withdrawn(delivered: Delivered[DeadlineBreachWithdrawn]) -> Happening:
    event = delivered.event
    return _of_clock(delivered, event.threshold, {"threshold": event.threshold})


def raised(delivered: Delivered[EscalationRaised]) -> Happening:
    event = delivered.event
    facts = {**_of_level(event), "office": event.office}
    # An answer of before the due instant would have met the clock, so any of after it is the late one.
    since = event.due_at or event.escalated_at
    called = _of_clock(delivered, f"level-{event.level}", facts)
    return replace(called, role=event.role, office=event.office, since=since)


def impossible(delivered: Delivered[EscalationImpossible]) -> Happening:
    """A late answer does not mend that there is nobody to call upon: it is told all the same."""
    event = delivered.event
    return _of_clock(delivered, f"level-{event.level}", {**_of_level(event), "reason": event.reason})


def _of_level(event: EscalationRaised | EscalationImpossible) -> dict[str, str]:
    return {
        "level": str(event.level),
        "role": event.role,
        "escalated_at": _iso(event.escalated_at),
        "detected_at": _iso(event.detected_at),
    }


def _of_clock(delivered: Delivered[Any], threshold: str, facts: dict[str, str]) -> Happening:
    event: DeadlineEvent = delivered.event
    return Happening(
        event.complaint_id,
        event.stem,
        event.type(),
        occasion=clock_occasion(event.stage, event.deadline_version, threshold, event.holder),
        agency=event.agency,
        stage=event.stage,
        holder=event.holder,
        facts={
            "stage": event.stage,
            "due_at": _iso(event.due_at),
            "source_ref": event.source_ref or "",
            **facts,
        },
        traceparent=delivered.traceparent,
    )


def clock(event: DeadlineEvent) -> Clock:
    return Clock(event.complaint_id, event.stage, event.holder)


def answer(delivered: Delivered[Any]) -> Answer:
    event: CaseEvent | ComplaintRouted = delivered.event
    action = event.action if isinstance(event, CaseEvent) else None
    return Answer(event.complaint_id, delivered.id, event.stem, event.agency, event.received_at, action)


def _iso(instant: datetime | None) -> str:
    return instant.astimezone(UTC).isoformat() if instant is not None else ""
