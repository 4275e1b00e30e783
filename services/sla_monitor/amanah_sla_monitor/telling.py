"""From facts to events: fold, compare with what was told, say and store the difference. Whatever brings it about, a new fact
or a new law, goes this one way."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from amanah_chassis.batch import Transaction
from amanah_sla_monitor import announce, store
from amanah_sla_monitor.domain.clocks import clocks
from amanah_sla_monitor.domain.diff import Decision, Key, Stored, What, diff
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.store import Fire

Facts = Mapping[UUID, Sequence[Fact]]
Told = Mapping[UUID, Mapping[Key, Stored]]
Decisions = list[tuple[UUID, Decision]]
Changed = list[tuple[UUID, Stored]]


def decide(tx: Transaction, law: Law, facts: Facts, told: Told) -> tuple[Decisions, Changed]:
    """What is to be said and stored of these complaints, by all their facts and as time is settled."""
    decisions: Decisions = []
    changed: Changed = []
    for complaint_id, known in facts.items():
        folded = clocks(known, law.rules, law.calendars, tx.settled)
        difference = diff(told.get(complaint_id, {}), folded, tx.settled, law.offices)
        decisions += [(complaint_id, decision) for decision in difference.decisions]
        changed += [(complaint_id, row) for row in difference.changed]
    return decisions, changed


async def record(
    tx: Transaction, decisions: Decisions, changed: Changed, traces: Mapping[UUID, str | None] | None = None
) -> None:
    """Stores the clocks and emits each decision; a breach only if nobody has said it."""
    await store.save(tx.db, changed)
    taken_back = [_fire(c, d) for c, d in decisions if d.what is What.BREACH_WITHDRAWN]
    if taken_back:
        await store.withdraw(tx.db, taken_back, tx.now)
    breaches = [_fire(c, d) for c, d in decisions if d.what is What.BREACHED]
    won = await store.fire(tx.db, breaches, tx.settled) if breaches else set()
    for complaint_id, decision in decisions:
        row = decision.row
        if decision.what is not What.BREACHED or (complaint_id, row.stage, row.holder) in won:
            trace = traces.get(complaint_id) if traces else None
            tx.emit(announce.event(complaint_id, decision, tx.now, tx.settled), trace)


def _fire(complaint_id: UUID, decision: Decision) -> Fire:
    assert decision.due_at is not None, "what has no due instant cannot breach"
    row = decision.row
    return Fire(complaint_id, row.stage, row.holder, row.deadline_version, decision.due_at)
