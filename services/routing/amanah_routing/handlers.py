"""What routing does with each event: load, decide, record."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from amanah_chassis.batch import Batch, Transaction
from amanah_chassis.masking import mask
from amanah_contracts.casework import CaseActionWithdrawn, CaseDeclined
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted, TriageRequested
from amanah_contracts.vocabulary import Actor, Visibility
from amanah_routing import store
from amanah_routing.domain import Assignment, Matter, Registry, Rule, Triage, reroute, route
from amanah_routing.store import Complaint


@dataclass(frozen=True)
class Desk:
    """What the handlers decide by: the pack's agencies, and its rules as one question."""

    agencies: Registry
    decide: Callable[[Matter], Assignment | Triage]

    @classmethod
    def of(cls, agencies: Registry, rules: tuple[Rule, ...]) -> "Desk":
        """A city's complaints repeat a few thousand combinations; each is decided once."""

        @lru_cache(maxsize=65_536)
        def decide(matter: Matter) -> Assignment | Triage:
            return route(matter, rules, agencies)

        return cls(agencies, decide)


async def on_complaint_submitted(batch: Batch[ComplaintSubmitted], desk: Desk) -> None:
    """Assigns each new complaint, or asks a person to."""
    complaints = []
    for delivered in batch.deliveries:
        event = delivered.event
        matter = Matter(event.category, event.classification, event.region, event.agency_named, event.visibility.value)
        decision = desk.decide(matter)
        complaint = _new(event, decision)
        complaints.append(complaint)
        publish(batch, complaint, decision, delivered.traceparent)
    await store.add(batch.db, complaints, batch.now)


async def on_case_declined(batch: Batch[CaseDeclined], desk: Desk) -> None:
    """Moves the complaint on: to the agency that the refusing one proposed, or to a person."""
    known = await store.load(batch.db, [d.event.complaint_id for d in batch.deliveries])
    changed = []
    for delivered in batch.deliveries:
        event = delivered.event
        complaint = known.get(event.complaint_id)
        if complaint is None:
            batch.park(delivered, "complaint.submitted")
            continue
        if complaint.agency != event.agency:
            continue  # no longer the holder: its refusal changes nothing
        refused_by = (*complaint.refused_by, event.agency)
        decision = reroute(event.proposed_agency, refused_by, desk.agencies, complaint.visibility)
        complaint = _applied(replace(complaint, refused_by=refused_by), decision)
        changed.append(complaint)
        publish(batch, complaint, decision, delivered.traceparent)
    await store.save(batch.db, changed, batch.now)


async def on_case_action_withdrawn(batch: Batch[CaseActionWithdrawn], desk: Desk) -> None:  # noqa: ARG001
    """Who refused a complaint in error and says so while it lies in triage holds it as before: its assignment never ended,
    so nothing new is said. Of a complaint in triage its last holder's refusal is the only action that can be taken back."""
    known = await store.load(batch.db, [d.event.complaint_id for d in batch.deliveries])
    changed = []
    for delivered in batch.deliveries:
        agency, complaint = delivered.event.agency, known.get(delivered.event.complaint_id)
        if complaint is None:
            batch.park(delivered, "complaint.submitted")
        elif complaint.state == "triage" and complaint.refused_by and complaint.refused_by[-1] == agency:
            refused_by, reason = complaint.refused_by[:-1], "The agency took its refusal back."
            changed.append(replace(complaint, state="routed", agency=agency, refused_by=refused_by, reason=reason))
    await store.save(batch.db, changed, batch.now)


async def assign_by_person(
    tx: Transaction, complaint: Complaint, agency: str, explanation: str, traceparent: str | None
) -> Complaint:
    """A person in triage decides, in words of their own: they are kept and published masked."""
    decision = Assignment(agency, "triage", mask(explanation))
    complaint = _applied(complaint, decision)
    await store.save(tx.db, [complaint], tx.now)
    publish(tx, complaint, decision, traceparent, actor=Actor.TRIAGE)
    return complaint


def publish(
    tx: Transaction,
    complaint: Complaint,
    decision: Assignment | Triage,
    traceparent: str | None,
    *,
    actor: Actor = Actor.SYSTEM,
) -> None:
    """Says who is responsible now, or that a person is asked."""
    if isinstance(decision, Triage):
        requested = TriageRequested(
            complaint_id=complaint.complaint_id,
            occurred_at=tx.now,
            received_at=tx.now,
            reason=decision.reason,
            category=complaint.category,
            region=complaint.region,
        )
        tx.emit(requested, traceparent)
        return
    routed = ComplaintRouted(
        complaint_id=complaint.complaint_id,
        occurred_at=tx.now,
        received_at=tx.now,
        agency=decision.agency,
        assignment=complaint.assignment,
        rule=decision.rule,
        explanation=decision.explanation,
        decided_by=actor,
        category=complaint.category,
        region=complaint.region,
        visibility=Visibility(complaint.visibility),
        narrative=complaint.narrative,
        source_ref=complaint.source_ref,
        submitted_at=complaint.submitted_at,
        given_due_at=complaint.given_due_at,
    )
    tx.emit(routed, traceparent)


def _applied(complaint: Complaint, decision: Assignment | Triage) -> Complaint:
    state, agency, reason = _decided(decision)
    assignment = complaint.assignment + (agency is not None)
    return replace(complaint, state=state, agency=agency, assignment=assignment, reason=reason)


def _decided(decision: Assignment | Triage) -> tuple[str, str | None, str]:
    """State, agency and reason of a complaint after a decision."""
    if isinstance(decision, Triage):
        return "triage", None, decision.reason
    return "routed", decision.agency, decision.explanation


def _new(event: ComplaintSubmitted, decision: Assignment | Triage) -> Complaint:
    state, agency, reason = _decided(decision)
    return Complaint(
        complaint_id=event.complaint_id,
        state=state,
        agency=agency,
        assignment=0 if agency is None else 1,
        refused_by=(),
        reason=reason,
        category=event.category,
        classification=event.classification,
        region=event.region,
        agency_named=event.agency_named,
        visibility=event.visibility.value,
        narrative=event.narrative,
        source_ref=event.source_ref,
        submitted_at=event.occurred_at,  # earlier than its receipt when an officer typed in a paper form
        given_due_at=event.given_due_at,
    )
