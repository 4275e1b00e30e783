"""What intake does with the other services' events: it keeps what the citizen may read. Order does not matter."""

from collections.abc import Callable
from typing import Any, TypeVar

from amanah_chassis.batch import Batch
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseExtended,
    CaseInformationReceived,
    CaseInformationRequested,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.routing import ComplaintRouted, TriageRequested
from amanah_contracts.sla_monitor import (
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineEvent,
    DeadlineMet,
    DeadlinePaused,
    DeadlineRecalculated,
    DeadlineResumed,
    DeadlineStarted,
)
from amanah_contracts.vocabulary import ClockState
from amanah_intake import store
from amanah_intake.domain.standing import Fact, What
from amanah_intake.filing import Intake

E = TypeVar(
    "E",
    ComplaintRouted,
    TriageRequested,
    CaseAcknowledged,
    CaseInformationRequested,
    CaseInformationReceived,
    CaseExtended,
    CaseReplied,
    CaseResolved,
    CaseDeclined,
    CaseActionWithdrawn,
)


async def on_complaint_routed(batch: Batch[ComplaintRouted], _: Intake) -> None:
    await _tell(batch, What.ROUTED, lambda event: event.explanation)


async def on_triage_requested(batch: Batch[TriageRequested], _: Intake) -> None:
    await _tell(batch, What.IN_TRIAGE, lambda _: None)


async def on_case_acknowledged(batch: Batch[CaseAcknowledged], _: Intake) -> None:
    await _tell(batch, What.ACKNOWLEDGED, lambda _: None)


async def on_case_information_requested(batch: Batch[CaseInformationRequested], _: Intake) -> None:
    await _tell(batch, What.INFORMATION_REQUESTED, lambda event: event.question)


async def on_case_information_received(batch: Batch[CaseInformationReceived], _: Intake) -> None:
    await _tell(batch, What.INFORMATION_RECEIVED, lambda _: None)


async def on_case_extended(batch: Batch[CaseExtended], _: Intake) -> None:
    await _tell(batch, What.EXTENDED, lambda e: f"{e.reason} ({e.article})" if e.article else e.reason)


async def on_case_replied(batch: Batch[CaseReplied], _: Intake) -> None:
    await _tell(batch, What.REPLIED, lambda event: event.reply)


async def on_case_resolved(batch: Batch[CaseResolved], _: Intake) -> None:
    await _tell(batch, What.RESOLVED, lambda event: event.outcome)


async def on_case_declined(batch: Batch[CaseDeclined], _: Intake) -> None:
    await _tell(batch, What.DECLINED, lambda event: event.reason)


async def on_case_action_withdrawn(batch: Batch[CaseActionWithdrawn], _: Intake) -> None:
    await _tell(batch, What.ACTION_WITHDRAWN, lambda event: event.reason)


async def on_deadline_started(batch: Batch[DeadlineStarted], _: Intake) -> None:
    await _set(batch, ClockState.RUNNING)


async def on_deadline_paused(batch: Batch[DeadlinePaused], _: Intake) -> None:
    await _set(batch, ClockState.PAUSED)


async def on_deadline_resumed(batch: Batch[DeadlineResumed], _: Intake) -> None:
    await _set(batch, ClockState.RUNNING)


async def on_deadline_recalculated(batch: Batch[DeadlineRecalculated], _: Intake) -> None:
    await _set(batch, ClockState.RUNNING)


async def on_deadline_met(batch: Batch[DeadlineMet], _: Intake) -> None:
    await _set(batch, ClockState.MET)


async def on_deadline_breached(batch: Batch[DeadlineBreached], _: Intake) -> None:
    await _set(batch, ClockState.BREACHED)


async def on_deadline_breach_withdrawn(batch: Batch[DeadlineBreachWithdrawn], _: Intake) -> None:
    """The clock stands as before the breach; what ended it, if anything did, follows as an event of its own."""
    await _set(batch, ClockState.RUNNING)


async def on_deadline_cancelled(batch: Batch[DeadlineCancelled], _: Intake) -> None:
    await _set(batch, ClockState.CANCELLED)


async def _tell(batch: Batch[E], what: What, words: Callable[[E], str | None]) -> None:
    await store.add_facts(
        batch.db,
        [
            store.Told(delivered.event.complaint_id, delivered.id, _fact(what, delivered.event, words(delivered.event)))
            for delivered in batch.deliveries
        ],
    )


def _fact(what: What, event: Any, words: str | None) -> Fact:
    return Fact(
        what=what,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        agency=getattr(event, "agency", None),
        assignment=getattr(event, "assignment", None),
        words=words,
        action=getattr(event, "action", None),
        withdraws=getattr(event, "withdraws", None),
    )


async def _set(batch: Batch[Any], state: ClockState) -> None:
    events: list[DeadlineEvent] = [delivered.event for delivered in batch.deliveries]
    # While a clock stands nobody knows when it will be due; the latest possible date would pass for a promise.
    stands = state is ClockState.PAUSED
    await store.set_deadlines(
        batch.db,
        [
            (e.complaint_id, store.Deadline(e.stage, e.holder, None if stands else e.due_at, state.value))
            for e in events
        ],
    )
