"""From facts to events: fold, compare with what was told, say and store the difference. Whatever brings it about, a new fact
or a new law, goes this one way."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from amanah_chassis.batch import Transaction
from amanah_sla_monitor import announce, store
from amanah_sla_monitor.domain.clocks import CITIZEN, Clock, State, clocks
from amanah_sla_monitor.domain.diff import Decision, Key, Stored, What, diff
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.gaps import Gap, gaps
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.store import Fire

BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)

Facts = Mapping[UUID, Sequence[Fact]]
Told = Mapping[UUID, Mapping[Key, Stored]]
Traces = Mapping[UUID, str | None]


class Difference(NamedTuple):
    """What is to be said and stored of some complaints."""

    decisions: list[tuple[UUID, Decision]]
    changed: list[tuple[UUID, Stored]]
    gaps: list[tuple[UUID, Gap]]
    """Who has no clock at all, though rules speak of what has happened."""


def decide(
    tx: Transaction, law: Law, facts: Facts, told: Told, *, nothing_is_due: bool = False, nothing_is_new: bool = False
) -> Difference:
    """By all facts of these complaints, and as time is settled. `nothing_is_due`: what has passed is left to the ticker,
    since more facts of the past are still to come; of a breach that has been said, the truth is told at once.
    `nothing_is_new`: these facts have been told before, so a clock that was met is not folded again: no law changes it."""
    found = Difference([], [], [])
    for complaint_id, known in facts.items():
        before = told.get(complaint_id, {})
        met = {key for key, row in before.items() if row.state is State.MET} if nothing_is_new else ()
        folded = clocks(known, law.rules, law.calendars, _instant(tx, before, nothing_is_due), met)
        difference = diff(before, folded, tx.settled, law.offices)
        found.decisions.extend((complaint_id, decision) for decision in difference.decisions)
        found.changed.extend((complaint_id, row) for row in difference.changed)
        if _may_lack(law, known, folded):
            found.gaps.extend((complaint_id, gap) for gap in gaps(known, law.rules, law.calendars))
    return found


def _instant(tx: Transaction, before: Mapping[Key, Stored], nothing_is_due: bool) -> datetime:
    """At which the clocks of a complaint are folded: never before a breach that has been said. The ticker may have said it
    after this transaction read the clock and before it locked the rows; it is not taken back for that."""
    said = [row.due_at for row in before.values() if row.state is State.BREACHED and row.due_at]
    if said:
        return max(tx.settled, *said)
    return BEFORE_ALL if nothing_is_due else tx.settled


def _may_lack(law: Law, known: Sequence[Fact], folded: Sequence[Clock]) -> bool:
    """Whether it is worth asking who has no clock. Cheap, for it is asked of every complaint."""
    holders = {clock.holder for clock in folded}
    assigned = {fact.assignment for fact in known if fact.assignment is not None} if law.rules.bind_holders else set()
    return not {CITIZEN, *assigned} <= holders


async def record(
    tx: Transaction, difference: Difference, traces: Traces | None = None, read_unlocked: Told | None = None
) -> None:
    """Stores the clocks and emits each decision; a breach, and a gap, only if nobody has said it. `read_unlocked`: the
    clocks as they were read, where nobody holds them; raises store.Overtaken, before anything is emitted, when one has moved
    on since."""
    traces = traces or {}
    decisions = difference.decisions
    if read_unlocked is None:
        await store.save(tx.db, difference.changed)
    else:
        await store.save_unless_overtaken(tx.db, difference.changed, read_unlocked)
    taken_back = [_fire(c, d) for c, d in decisions if d.what is What.BREACH_WITHDRAWN]
    if taken_back:
        await store.withdraw(tx.db, taken_back, tx.now)
    breaches = [_fire(c, d) for c, d in decisions if d.what is What.BREACHED]
    won = await store.fire(tx.db, breaches, tx.settled) if breaches else set()
    for complaint_id, decision in decisions:
        row = decision.row
        if decision.what is not What.BREACHED or (complaint_id, row.stage, row.holder) in won:
            tx.emit(announce.event(complaint_id, decision, tx.now, tx.settled), traces.get(complaint_id))
    if difference.gaps:
        first = await store.first_gaps(tx.db, [(c, gap.holder) for c, gap in difference.gaps], tx.now)
        for complaint_id, gap in difference.gaps:
            if (complaint_id, gap.holder) in first:
                tx.emit(announce.no_rule(complaint_id, gap, tx.now), traces.get(complaint_id))


def _fire(complaint_id: UUID, decision: Decision) -> Fire:
    assert decision.due_at is not None, "what has no due instant cannot breach"
    row = decision.row
    return Fire(complaint_id, row.stage, row.holder, row.deadline_version, decision.due_at)
