"""Decisions in the words of the contract: one event for each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from amanah_contracts.envelope import Event
from amanah_contracts.sla_monitor import (
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineEvent,
    DeadlineMet,
    DeadlineStarted,
)
from amanah_sla_monitor.domain.clocks import Clock, State
from amanah_sla_monitor.domain.diff import Decision, What
from amanah_sla_monitor.store import DUE, Due


def event(complaint_id: UUID, decision: Decision, now: datetime, settled: datetime) -> DeadlineEvent:
    """The event that says a decision. `now` is when it was detected, for a breach `settled`."""
    clock = decision.clock
    shared: dict[str, Any] = {
        "complaint_id": complaint_id,
        "agency": clock.agency,
        "stage": clock.stage,
        "rule": clock.rule.id,
        "rule_version": clock.rule.version,
        "calendar": clock.calendar.label if clock.calendar else None,
        "deadline_version": decision.deadline_version,
        "holder": clock.holder,
        "due_at": decision.due_at,
        "source_ref": clock.source_ref,
        "received_at": now,
    }
    match decision.what:
        case What.STARTED:
            return DeadlineStarted(occurred_at=clock.started_at, **shared)
        case What.MET:
            return DeadlineMet(occurred_at=clock.ended_at, **shared)
        case What.CANCELLED:
            return DeadlineCancelled(occurred_at=clock.ended_at, reason="the case went to another holder", **shared)
        case What.BREACH_WITHDRAWN:
            return DeadlineBreachWithdrawn(occurred_at=clock.ended_at or now, reason=_withdrawn(clock), **shared)
        case What.BREACHED:
            shared["received_at"] = settled
            return DeadlineBreached(
                occurred_at=decision.due_at, breached_at=decision.due_at, detected_at=settled, threshold=DUE, **shared
            )


def _withdrawn(clock: Clock) -> str:
    """Which fact took a breach back."""
    if clock.state in (State.MET, State.CANCELLED) and clock.ended_at:
        return f"{clock.ended_by} was received at {clock.ended_at.isoformat()}, within the term"
    return "an earlier fact, learnt of late, gives the deadline another due instant"


def breach(due: Due, detected_at: datetime) -> Event:
    """The breach of a clock that the ticker fired. Built without validation: the values come typed from our own table, and
    a midnight may bring a hundred thousand of them."""
    return DeadlineBreached.model_construct(
        complaint_id=due.complaint_id,
        occurred_at=due.due_at,
        received_at=detected_at,
        agency=due.agency,
        stage=due.stage,
        rule=due.rule,
        rule_version=due.rule_version,
        calendar=due.calendar,
        deadline_version=due.deadline_version,
        holder=due.holder,
        due_at=due.due_at,
        source_ref=due.source_ref,
        threshold=DUE,
        breached_at=due.due_at,
        detected_at=detected_at,
    )
