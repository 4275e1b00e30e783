"""What the monitor does with each event: record the fact, fold all facts of the complaint, say and store the difference."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
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
from amanah_sla_monitor import announce, store
from amanah_sla_monitor.domain.clocks import clocks
from amanah_sla_monitor.domain.diff import Decision, Stored, What, diff
from amanah_sla_monitor.domain.facts import WITHDRAWN, Fact
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.store import Fire

E = TypeVar("E", ComplaintSubmitted, ComplaintRouted, CaseEvent)


@dataclass
class Monitor:
    """What the handlers and the ticker of one process share."""

    law: Law
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a clock wants to be looked at sooner than the ticker knows."""
    asleep_until: datetime | None = None
    """What the ticker sleeps for; None: it is awake, or sleeps for nothing, and wants to hear of every new instant."""
    looked_at: float = 0.0
    """When the ticker last looked, on the monotonic clock: see `metrics.SCAN_AGE`."""


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
    return replace(_of_case(delivered), kind=WITHDRAWN, withdraws=seq)


# -- load, decide, record ------------------------------------------------------------------------------------------------


async def _apply(batch: Batch[Any], monitor: Monitor, as_fact: Callable[[Delivered[Any]], Fact]) -> None:
    new = {delivered.event.complaint_id: as_fact(delivered) for delivered in batch.deliveries}
    traces = {delivered.event.complaint_id: delivered.traceparent for delivered in batch.deliveries}
    casefiles = await store.add_facts(batch.db, new)
    known = [complaint_id for complaint_id, casefile in casefiles.items() if casefile.known]
    stored = await store.deadlines(batch.db, known, lock=True) if known else {}
    law = monitor.law
    decisions: list[tuple[UUID, Decision]] = []
    changed: list[tuple[UUID, Stored]] = []
    for complaint_id in new:
        folded = clocks(casefiles[complaint_id].facts, law.rules, law.calendars, batch.settled)
        difference = diff(stored.get(complaint_id, {}), folded, batch.settled, law.offices)
        decisions += [(complaint_id, decision) for decision in difference.decisions]
        changed += [(complaint_id, row) for row in difference.changed]
    await store.save(batch.db, changed)
    await _say(batch, decisions, traces)
    await _wake_ticker(batch, monitor, changed)


async def _say(batch: Batch[Any], decisions: list[tuple[UUID, Decision]], traces: Mapping[UUID, str | None]) -> None:
    """Emits each decision; a breach only if nobody has said it."""
    taken_back = [_fire(c, d) for c, d in decisions if d.what is What.BREACH_WITHDRAWN]
    if taken_back:
        await store.withdraw(batch.db, taken_back, batch.now)
    breaches = [_fire(c, d) for c, d in decisions if d.what is What.BREACHED]
    won = await store.fire(batch.db, breaches, batch.settled) if breaches else set()
    for complaint_id, decision in decisions:
        row = decision.row
        if decision.what is not What.BREACHED or (complaint_id, row.stage, row.holder) in won:
            batch.emit(announce.event(complaint_id, decision, batch.now, batch.settled), traces[complaint_id])


def _fire(complaint_id: UUID, decision: Decision) -> Fire:
    assert decision.due_at is not None, "what has no due instant cannot breach"
    row = decision.row
    return Fire(complaint_id, row.stage, row.holder, row.deadline_version, decision.due_at)


async def _wake_ticker(batch: Batch[Any], monitor: Monitor, changed: list[tuple[UUID, Stored]]) -> None:
    """Only when it would oversleep: most commits move nothing to before the instant it already waits for."""
    earliest = min((row.next_fire_at for _, row in changed if row.next_fire_at), default=None)
    if earliest is not None and (monitor.asleep_until is None or earliest < monitor.asleep_until):
        await store.wake_tickers(batch.db)
