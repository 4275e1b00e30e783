"""What the monitor does with each event: record the fact, fold all facts of the complaint, say and store the difference."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from amanah_chassis.batch import Batch, Delivered
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
from amanah_sla_monitor import store, telling
from amanah_sla_monitor.domain.diff import Stored
from amanah_sla_monitor.domain.facts import WITHDRAWN, Fact
from amanah_sla_monitor.monitor import BEHIND, Monitor, fell_behind, in_force

E = TypeVar("E", ComplaintSubmitted, ComplaintRouted, CaseEvent)


async def on_complaint_submitted(batch: Batch[ComplaintSubmitted], monitor: Monitor) -> None:
    await _apply(batch, monitor, _submitted)


async def on_complaint_routed(batch: Batch[ComplaintRouted], monitor: Monitor) -> None:
    await _apply(batch, monitor, _routed)


async def on_case_acknowledged(batch: Batch[CaseAcknowledged], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_replied(batch: Batch[CaseReplied], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_resolved(batch: Batch[CaseResolved], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_declined(batch: Batch[CaseDeclined], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_information_requested(batch: Batch[CaseInformationRequested], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_information_received(batch: Batch[CaseInformationReceived], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_extended(batch: Batch[CaseExtended], monitor: Monitor) -> None:
    await _apply(batch, monitor, _of_case)


async def on_case_action_withdrawn(batch: Batch[CaseActionWithdrawn], monitor: Monitor) -> None:
    """The desk's events about one complaint come in order, so the fact that is taken back is already there."""
    withdrawn = {delivered.event.complaint_id: delivered.event.withdraws for delivered in batch.deliveries}
    seqs = await store.seqs_of(batch.db, batch.deliveries[0].source, withdrawn)
    await _apply(batch, monitor, lambda delivered: _withdrawn(delivered, seqs.get(delivered.event.complaint_id)))


# -- events as facts -----------------------------------------------------------------------------------------------------


def _submitted(delivered: Delivered[ComplaintSubmitted]) -> Fact:
    event = delivered.event
    return Fact(
        kind=event.stem,
        source=delivered.source,
        seq=delivered.seq,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        channel=event.channel.value,
        category=event.category,
        classification=event.classification,
        region=event.region,
        visibility=event.visibility.value,
        source_ref=event.source_ref,
        given_due_at=event.given_due_at,
    )


def _routed(delivered: Delivered[ComplaintRouted]) -> Fact:
    event = delivered.event
    return Fact(
        kind=event.stem,
        source=delivered.source,
        seq=delivered.seq,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        actor=event.decided_by.value,
        agency=event.agency,
        assignment=event.assignment,
        source_ref=event.source_ref,
    )


def _of_case(delivered: Delivered[Any]) -> Fact:
    event = delivered.event
    return Fact(
        kind=event.stem,
        source=delivered.source,
        seq=delivered.seq,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        actor=event.actor.value,
        agency=event.agency,
        source_ref=event.source_ref,
        action=str(event.action) if event.action else None,
    )


def _withdrawn(delivered: Delivered[CaseActionWithdrawn], seq: int | None) -> Fact:
    return _of_case(delivered)._replace(kind=WITHDRAWN, withdraws=seq)


# -- load, decide, record ------------------------------------------------------------------------------------------------


async def _apply(batch: Batch[Any], monitor: Monitor, as_fact: Callable[[Delivered[Any]], Fact]) -> None:
    await _notice_lag(batch, monitor)
    new = {delivered.event.complaint_id: as_fact(delivered) for delivered in batch.deliveries}
    traces = {delivered.event.complaint_id: delivered.traceparent for delivered in batch.deliveries}
    law = await in_force(batch.db, monitor)
    casefiles = await store.add_facts(batch.db, new)
    known = [complaint_id for complaint_id, casefile in casefiles.items() if casefile.known]
    told = await store.deadlines(batch.db, known, lock=True) if known else {}
    facts = {complaint_id: casefiles[complaint_id].facts for complaint_id in new}
    difference = telling.decide(batch, law, facts, told, nothing_is_due=monitor.known_until is not None)
    await telling.record(batch, difference, traces)
    await _wake_ticker(batch, monitor, difference.changed)


async def _notice_lag(batch: Batch[Any], monitor: Monitor) -> None:
    if max(map(batch.waited, batch.deliveries)) > BEHIND:
        await fell_behind(batch.db, monitor)


async def _wake_ticker(batch: Batch[Any], monitor: Monitor, changed: list[tuple[UUID, Stored]]) -> None:
    """Only when it would oversleep: most commits move nothing to before the instant it already waits for."""
    earliest = min((row.next_fire_at for _, row in changed if row.next_fire_at), default=None)
    if earliest is not None and (monitor.asleep_until is None or earliest < monitor.asleep_until):
        await store.wake_tickers(batch.db)
