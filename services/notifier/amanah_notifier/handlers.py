"""One function an event: who is to be told goes into the queue, in the batch's own transaction. Nothing is sent here.

What is told depends on the complaint's own choices, so an event that overtook `complaint.submitted` is set aside until that
has arrived: an agency must not learn of a whistle-blower's complaint because two topics raced.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from amanah_chassis.batch import Batch, Delivered
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseExtended,
    CaseInformationRequested,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import (
    DeadlineAtRisk,
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineEvent,
    DeadlineMet,
    DeadlineRecalculated,
    EscalationImpossible,
    EscalationRaised,
)
from amanah_notifier import happenings, metrics, store
from amanah_notifier.domain import (
    OVERTAKES,
    Complaint,
    Happening,
    Notice,
    Plan,
    audience,
    decide,
    decide_withdrawal,
    nth_time,
)
from amanah_notifier.endings import Endings
from amanah_notifier.words import Catalogue

E = TypeVar("E", bound=Event)
C = TypeVar("C", bound=DeadlineEvent)


@dataclass(frozen=True, slots=True)
class Context:
    """What the pack says: whom to tell, in which words, and which answers end which clocks."""

    plan: Plan
    catalogue: Catalogue
    endings: Endings


async def on_complaint_submitted(batch: Batch[ComplaintSubmitted], _: Context) -> None:
    await store.remember(batch.db, [happenings.complaint(delivered.event) for delivered in batch.deliveries])


async def on_complaint_routed(batch: Batch[ComplaintRouted], context: Context) -> None:
    await _note_answers(batch, context)
    await _tell(batch, context, happenings.routed)


# -- what agencies did ------------------------------------------------------------------------------------------------


async def on_case_acknowledged(batch: Batch[CaseAcknowledged], context: Context) -> None:
    await _note_answers(batch, context)


async def on_case_declined(batch: Batch[CaseDeclined], context: Context) -> None:
    await _note_answers(batch, context)


async def on_case_replied(batch: Batch[CaseReplied], context: Context) -> None:
    await _note_answers(batch, context)
    await _tell(batch, context, happenings.acted)


async def on_case_resolved(batch: Batch[CaseResolved], context: Context) -> None:
    await _note_answers(batch, context)
    await _tell(batch, context, happenings.acted)


async def on_case_information_requested(batch: Batch[CaseInformationRequested], context: Context) -> None:
    await _tell(batch, context, happenings.acted)


async def on_case_extended(batch: Batch[CaseExtended], context: Context) -> None:
    await _tell(batch, context, happenings.acted)


async def on_case_action_withdrawn(batch: Batch[CaseActionWithdrawn], _: Context) -> None:
    _count(await store.take_back(batch.db, {d.event.complaint_id: d.event.withdraws for d in batch.deliveries}))


# -- clocks -----------------------------------------------------------------------------------------------------------


async def on_deadline_at_risk(batch: Batch[DeadlineAtRisk], context: Context) -> None:
    await _tell_of_clock(batch, context, happenings.at_risk)


async def on_deadline_recalculated(batch: Batch[DeadlineRecalculated], _: Context) -> None:
    await _overtake(batch)


async def on_deadline_met(batch: Batch[DeadlineMet], _: Context) -> None:
    await _overtake(batch)


async def on_deadline_cancelled(batch: Batch[DeadlineCancelled], _: Context) -> None:
    await _overtake(batch)


async def on_deadline_breached(batch: Batch[DeadlineBreached], context: Context) -> None:
    await _overtake(batch)
    await _tell_of_clock(batch, context, happenings.breached)


async def on_escalation_raised(batch: Batch[EscalationRaised], context: Context) -> None:
    await _tell_of_clock(batch, context, happenings.raised)


async def on_escalation_impossible(batch: Batch[EscalationImpossible], context: Context) -> None:
    await _tell_of_clock(batch, context, happenings.impossible)


async def on_deadline_breach_withdrawn(batch: Batch[DeadlineBreachWithdrawn], context: Context) -> None:
    known = [(complaint, d.event, happenings.withdrawn(d)) for complaint, d in await _known(batch)]
    breaches = {happenings.clock(event): happening.occasion for _, event, happening in known}
    told, dropped = await store.withdraw(batch.db, breaches)
    await store.insert(
        batch.db,
        [
            notice
            for complaint, _, happening in known
            for notice in decide_withdrawal(happening, complaint, context.plan, told.get(complaint.id, ()))
        ],
    )
    _count(dropped)


async def _tell(batch: Batch[E], context: Context, put: Callable[[Delivered[E]], Happening]) -> None:
    known = await _known(batch)
    notices = [n for complaint, delivered in known for n in decide(put(delivered), complaint, context.plan)]
    await store.insert(batch.db, notices)


async def _tell_of_clock(batch: Batch[C], context: Context, put: Callable[[Delivered[C]], Happening]) -> None:
    """Tells of what may become untrue, and come true again, or be answered before it is sent."""
    known = [(complaint, d.event, put(d)) for complaint, d in await _known(batch)]
    if not known:
        return
    untrue = await store.withdrawn_before(batch.db, known[0][2].stem, {c.id: h.occasion for c, _, h in known})
    notices: list[Notice] = []
    for complaint, event, happening in known:
        told = replace(
            happening,
            occasion=nth_time(happening.occasion, untrue.get(complaint.id, 0)),
            ended_by=context.endings.of(event.rule, event.rule_version) if happening.since else (),
        )
        notices += decide(told, complaint, context.plan)
    await store.insert(batch.db, notices)


async def _overtake(batch: Batch[C]) -> None:
    """Drops what is not sent yet and has become needless by a later event of the same clock."""
    events = [delivered.event for delivered in batch.deliveries]
    _count(await store.overtake(batch.db, [happenings.clock(event) for event in events], OVERTAKES[events[0].stem]))


async def _note_answers(batch: Batch[Any], context: Context) -> None:
    """Keeps what ends some clock of the pack, for the moment of sending."""
    answers = [
        happenings.answer(delivered)
        for delivered in batch.deliveries
        if context.endings.any_ends_with(delivered.event.stem)
    ]
    if answers:
        await store.note_answers(batch.db, answers)


def _count(dropped: Iterable[store.Dropped]) -> None:
    for notice in dropped:
        metrics.SUPERSEDED.labels(audience(notice.recipient), notice.channel).inc()


async def _known(batch: Batch[E]) -> Iterable[tuple[Complaint, Delivered[E]]]:
    """Deliveries about complaints we know, each with its complaint; the others are set aside."""
    ids = [delivered.event.subject for delivered in batch.deliveries]
    complaints = await store.complaints(batch.db, ids)
    for delivered in batch.deliveries:
        if delivered.event.subject not in complaints:
            batch.park(delivered, ComplaintSubmitted.stem)
    return [
        (complaints[delivered.event.subject], delivered)
        for delivered in batch.deliveries
        if delivered.event.subject in complaints
    ]
