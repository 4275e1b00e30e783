"""Decisions in the words of the contract: one event for each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from amanah_contracts.envelope import Event
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
    OversightGap,
)
from amanah_sla_monitor.domain.clocks import State
from amanah_sla_monitor.domain.diff import NO_RULE, Decision, What
from amanah_sla_monitor.domain.facts import WITHDRAWN
from amanah_sla_monitor.domain.gaps import Gap
from amanah_sla_monitor.domain.marks import AT_RISK, DUE, level_of
from amanah_sla_monitor.store import Fired


def event(complaint_id: UUID, decision: Decision, now: datetime, settled: datetime) -> DeadlineEvent:
    """The event that says a decision. `now` is when it was detected, for a breach `settled`."""
    row = decision.row
    shared: dict[str, Any] = {
        "complaint_id": complaint_id,
        "agency": row.agency,
        "stage": row.stage,
        "rule": row.rule,
        "rule_version": row.rule_version,
        "calendar": row.calendar,
        "deadline_version": row.deadline_version,
        "holder": row.holder,
        "due_at": row.due_at,
        "source_ref": row.source_ref,
        "occurred_at": decision.at,
        "received_at": now,
    }
    if decision.what is What.BREACHED:
        shared["received_at"] = settled
    return EVENTS[decision.what](**shared, **_more(decision, settled))


EVENTS: dict[What, type[DeadlineEvent]] = {
    What.STARTED: DeadlineStarted,
    What.PAUSED: DeadlinePaused,
    What.RESUMED: DeadlineResumed,
    What.RECALCULATED: DeadlineRecalculated,
    What.MET: DeadlineMet,
    What.BREACHED: DeadlineBreached,
    What.BREACH_WITHDRAWN: DeadlineBreachWithdrawn,
    What.CANCELLED: DeadlineCancelled,
}


def _more(decision: Decision, settled: datetime) -> dict[str, Any]:
    """What an event says beside what all of them say."""
    match decision.what:
        case What.RECALCULATED:
            return {"previous_due_at": decision.previous_due_at, "reason": decision.why}
        case What.CANCELLED:
            return {"reason": _cancelled(decision)}
        case What.BREACH_WITHDRAWN:
            return {"reason": _withdrawn(decision)}
        case What.BREACHED:
            return {"breached_at": decision.at, "detected_at": settled}
    return {}


def _cancelled(decision: Decision) -> str:
    if decision.why == NO_RULE:
        return "no rule binds it any more"
    return "what had started it was taken back" if decision.why == WITHDRAWN else "the case went to another holder"


def _withdrawn(decision: Decision) -> str:
    """Which fact took a breach back."""
    ended_at = decision.row.ended_at
    if decision.row.state in (State.MET, State.CANCELLED) and ended_at:
        return f"{decision.why} was received at {ended_at.isoformat()}, within the term"
    return "an earlier fact, learnt of late, gives the deadline another due instant"


def no_rule(complaint_id: UUID, gap: Gap, now: datetime) -> OversightGap:
    """Whoever waits, or holds the case, has no clock at all."""
    return OversightGap(
        complaint_id=complaint_id,
        occurred_at=gap.since,
        received_at=now,
        reason="no_rule",
        detail=f"No rule of the pack covers this: {gap.reason}.",
        holder=gap.holder,
    )


def said(fired: Fired, detected_at: datetime) -> Event:
    """The event of a mark that has come."""
    if fired.mark == DUE:
        return breach(fired, detected_at)
    shared = fired._asdict() | {"occurred_at": fired.at, "received_at": detected_at, "detected_at": detected_at}
    mark, at = shared.pop("mark"), shared.pop("at")
    if mark.startswith(AT_RISK):
        return DeadlineAtRisk(threshold=mark.removeprefix(f"{AT_RISK}/"), at_risk_at=at, **shared)
    level = level_of(mark)
    shared |= {"level": level.number, "role": level.role, "escalated_at": at}
    if level.office is None:
        return EscalationImpossible(reason=level.why_not, **shared)
    return EscalationRaised(office=level.office, **shared)


def breach(due: Fired, detected_at: datetime) -> Event:
    """The breach of a clock that the ticker fired. A copy with other values, not validated: they come typed from our own
    table, and a midnight may bring a hundred thousand of them."""
    return _BREACH.model_copy(
        update={
            "complaint_id": due.complaint_id,
            "occurred_at": due.at,
            "received_at": detected_at,
            "agency": due.agency,
            "stage": due.stage,
            "rule": due.rule,
            "rule_version": due.rule_version,
            "calendar": due.calendar,
            "deadline_version": due.deadline_version,
            "holder": due.holder,
            "due_at": due.at,
            "source_ref": due.source_ref,
            "breached_at": due.at,
            "detected_at": detected_at,
        }
    )


_NOTHING: dict[str, Any] = dict.fromkeys(DeadlineBreached.model_fields)
_BREACH = DeadlineBreached.model_construct(**_NOTHING | {"threshold": DUE})
