"""One function an event: who is to be told goes into the queue, in the batch's own transaction. Nothing is sent here.

What is told depends on the complaint's own choices, so an event that overtook `complaint.submitted` is set aside until that
has arrived: an agency must not learn of a whistle-blower's complaint because two topics raced.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from amanah_chassis.batch import Batch, Delivered
from amanah_contracts.casework import CaseReplied, CaseResolved
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import DeadlineBreached, DeadlineBreachWithdrawn
from amanah_contracts.vocabulary import Visibility
from amanah_notifier import store
from amanah_notifier.domain import Complaint, Happening, Plan, clock_occasion, decide, decide_withdrawal, nth_time
from amanah_notifier.words import Catalogue

E = TypeVar("E", ComplaintRouted, CaseReplied, CaseResolved, DeadlineBreached, DeadlineBreachWithdrawn)


@dataclass(frozen=True, slots=True)
class Context:
    """What the pack says: whom to tell, and in which words."""

    plan: Plan
    catalogue: Catalogue


async def on_complaint_submitted(batch: Batch[ComplaintSubmitted], _: Context) -> None:
    await store.remember(batch.db, [_complaint(delivered.event) for delivered in batch.deliveries])


async def on_complaint_routed(batch: Batch[ComplaintRouted], context: Context) -> None:
    await _tell(batch, context, routed)


async def on_case_replied(batch: Batch[CaseReplied], context: Context) -> None:
    await _tell(batch, context, answered)


async def on_case_resolved(batch: Batch[CaseResolved], context: Context) -> None:
    await _tell(batch, context, answered)


async def on_deadline_breached(batch: Batch[DeadlineBreached], context: Context) -> None:
    happenings = [(complaint, breached(delivered)) for complaint, delivered in await _known(batch)]
    withdrawn = await store.withdrawn_before(batch.db, {h.complaint_id: h.occasion for _, h in happenings})
    await store.insert(
        batch.db,
        [
            notice
            for complaint, h in happenings
            for notice in decide(
                replace(h, occasion=nth_time(h.occasion, withdrawn.get(complaint.id, 0))), complaint, context.plan
            )
        ],
    )


async def on_deadline_breach_withdrawn(batch: Batch[DeadlineBreachWithdrawn], context: Context) -> None:
    happenings = [(complaint, withdrawn(delivered)) for complaint, delivered in await _known(batch)]
    told = await store.withdraw(batch.db, {happening.complaint_id: happening.occasion for _, happening in happenings})
    await store.insert(
        batch.db,
        [
            notice
            for complaint, happening in happenings
            for notice in decide_withdrawal(happening, complaint, context.plan, told.get(complaint.id, ()))
        ],
    )


async def _tell(batch: Batch[E], context: Context, put: Callable[[Delivered[E]], Happening]) -> None:
    known = await _known(batch)
    notices = [n for complaint, delivered in known for n in decide(put(delivered), complaint, context.plan)]
    await store.insert(batch.db, notices)


async def _known(batch: Batch[E]) -> Iterable[tuple[Complaint, Delivered[E]]]:
    """Deliveries about complaints we know, each with its complaint; the others are set aside."""
    complaints = await store.complaints(batch.db, (delivered.event.complaint_id for delivered in batch.deliveries))
    for delivered in batch.deliveries:
        if delivered.event.complaint_id not in complaints:
            batch.park(delivered, ComplaintSubmitted.stem)
    return [
        (complaints[delivered.event.complaint_id], delivered)
        for delivered in batch.deliveries
        if delivered.event.complaint_id in complaints
    ]


# -- events in the words of notices -----------------------------------------------------------------------------------


def _complaint(event: ComplaintSubmitted) -> Complaint:
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


def answered(delivered: Delivered[CaseReplied] | Delivered[CaseResolved]) -> Happening:
    event = delivered.event
    return Happening(
        event.complaint_id,
        event.stem,
        event.type(),
        # An agency may answer more than once, and each answer is told: its event's own id tells them apart.
        occasion=str(delivered.id),
        agency=event.agency,
        facts={"source_ref": event.source_ref or ""},
        traceparent=delivered.traceparent,
    )


def breached(delivered: Delivered[DeadlineBreached]) -> Happening:
    event = delivered.event
    return Happening(
        event.complaint_id,
        event.stem,
        event.type(),
        occasion=clock_occasion(event.stage, event.deadline_version, event.threshold, event.holder),
        agency=event.agency,
        stage=event.stage,
        facts={
            "stage": event.stage,
            "threshold": event.threshold,
            "due_at": _iso(event.due_at or event.breached_at),
            "breached_at": _iso(event.breached_at),
            "detected_at": _iso(event.detected_at),
            "source_ref": event.source_ref or "",
        },
        traceparent=delivered.traceparent,
    )


def withdrawn(delivered: Delivered[DeadlineBreachWithdrawn]) -> Happening:
    event = delivered.event
    return Happening(
        event.complaint_id,
        event.stem,
        event.type(),
        occasion=clock_occasion(event.stage, event.deadline_version, event.threshold, event.holder),
        agency=event.agency,
        stage=event.stage,
        facts={
            "stage": event.stage,
            "threshold": event.threshold,
            "due_at": _iso(event.due_at),
            "source_ref": event.source_ref or "",
        },
        traceparent=delivered.traceparent,
    )


def _iso(instant: datetime | None) -> str:
    return instant.astimezone(UTC).isoformat() if instant is not None else ""
