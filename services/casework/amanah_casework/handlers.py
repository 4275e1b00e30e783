"""What casework does with each event and order: load, decide, record."""

from dataclasses import dataclass
from datetime import timedelta

from amanah_casework import store
from amanah_casework.domain import Case
from amanah_casework.orders import AgencyOrder, Outcome, execute, order_of, unknown_case
from amanah_chassis.batch import Batch, Delivered
from amanah_contracts.routing import ComplaintRouted


@dataclass(frozen=True)
class Desk:
    """`order_wait`: how long, in real time, an order may wait for the complaint that it is about."""

    order_wait: timedelta


async def on_complaint_routed(batch: Batch[ComplaintRouted], desk: Desk) -> None:  # noqa: ARG001 - a handler's shape
    """Opens the case, or gives it to its next holder."""
    await store.assign(batch.db, [_case(delivered.event) for delivered in batch.deliveries], batch.now)


async def on_agency_order(batch: Batch[AgencyOrder], desk: Desk) -> None:
    """Orders from the agencies' own topics: who may write there is whose order it is, and the broker's own stamp says when
    it was received, so that no agency's clock can lie about it."""
    known = await store.load(batch.db, [d.event.complaint_id for d in batch.deliveries])
    given = [(d, order_of(d.event, _agency(d.topic), str(d.id), d.appended_at)) for d in batch.deliveries]
    done_before = await store.done_before(batch.db, [order for _, order in given])
    deeds = await store.deeds_of(batch.db, [order for _, order in given])
    outcomes: list[tuple[Outcome, Delivered[AgencyOrder]]] = []
    for delivered, order in given:
        if order in done_before:
            continue
        case = known.get(order.complaint_id)
        if case is not None:
            outcomes.append((execute(case, delivered.event, order, deeds.get(case.complaint_id, ())), delivered))
        elif batch.waited(delivered) < desk.order_wait:
            batch.park(delivered, "complaint.routed")  # it saw the assignment before we did
        else:
            outcomes.append((unknown_case(delivered.event, order), delivered))
    await store.save_states(batch.db, [outcome.case for outcome, _ in outcomes if outcome.case], batch.now)
    await store.add_actions(batch.db, [outcome.action for outcome, _ in outcomes])
    for outcome, delivered in outcomes:
        batch.emit(outcome.event, delivered.traceparent)


def _agency(topic: str) -> str:
    """`amanah.agency.<code>.replies` names the agency: Kafka's ACLs let nobody else write there."""
    return topic.removeprefix("amanah.agency.").removesuffix(".replies")


def _case(event: ComplaintRouted) -> Case:
    return Case(
        complaint_id=event.complaint_id,
        agency=event.agency,
        assignment=event.assignment,
        state="assigned",
        category=event.category,
        region=event.region,
        visibility=event.visibility.value,
        narrative=event.narrative,
        source_ref=event.source_ref,
        submitted_at=event.submitted_at,
        assigned_at=event.occurred_at,
    )
