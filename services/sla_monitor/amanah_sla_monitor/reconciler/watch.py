"""The second pair of eyes at work: every few minutes it recounts what has fallen due and says where that differs.

A look covers the deadlines due up to where time had been settled at the look before, so each has had a whole interval to be
said, whatever the burst and whatever the rate of a virtual clock. What the monitor has never noticed is not among its rows:
a patrol walks through all case files in turn. The pack is read anew each time, by this reader's own hand.
"""

import asyncio
from collections.abc import Iterator, Sequence
from time import monotonic
from uuid import UUID

import yaml

from amanah_chassis.batch import Transaction
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import connection
from amanah_chassis.errors import TRANSIENT
from amanah_chassis.logs import logger
from amanah_contracts.sla_monitor import OversightGap
from amanah_sla_monitor.monitor import Monitor
from amanah_sla_monitor.reconciler import law as laws
from amanah_sla_monitor.reconciler import metrics, store
from amanah_sla_monitor.reconciler.compare import Gap, gaps, not_recounted
from amanah_sla_monitor.reconciler.law import Law

log = logger(__name__)

AT_ONCE = 50
"""Cases recounted before the event loop has its turn."""
BEAT = 60.0
"""Seconds between two heartbeats of a ticker."""
SILENT = 150.0
"""Seconds after which nobody can be said to watch."""
HELD_UP = 180.0
"""Seconds for which a look waits for a monitor that waits for what lies unread: longer than that one does."""
SAYING = 5.0
"""Seconds in which it then says what it waited with."""
UNCOUNTABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a fact or a rule of a form unknown here may raise: no reason to stop the monitor, but one to say so."""

Found = list[tuple[UUID, Gap]]


async def run_reconciler(monitor: Monitor, chassis: Chassis) -> None:
    """Runs until cancelled; waits out a database that is away."""
    while True:
        await _until_it_keeps_up(monitor, chassis.settings.reconcile_seconds)
        try:
            await look(chassis)
        except TRANSIENT as error:
            log.warning("the recount waits for the database", extra={"error": type(error).__name__})
        await asyncio.sleep(chassis.settings.reconcile_seconds)


async def _until_it_keeps_up(monitor: Monitor, every: float) -> None:
    """What a monitor has not said because it waits for what lies unread is not missing yet. One that never keeps up is
    recounted all the same."""
    latest = monotonic() + HELD_UP
    while monitor.known_until is not None and monotonic() < latest:
        while monitor.known_until is not None and monotonic() < latest:
            await asyncio.sleep(0.1)
        await asyncio.sleep(min(every, SAYING))


async def look(chassis: Chassis) -> None:
    """One look. It ends in the table `reconciled`; until then another process would begin the same look again."""
    settings = chassis.settings
    try:
        law = await asyncio.to_thread(laws.read, settings.pack)
    except (*UNCOUNTABLE, OSError, yaml.YAMLError) as unreadable:
        log.error("the recount cannot read the pack", extra={"pack": str(settings.pack), "error": repr(unreadable)})
        return
    async with chassis.transaction() as tx:
        settled = tx.settled
        # Somewhat less than the interval: it is measured from the beginning of a look, the sleep from its end.
        this = await store.begin(tx.db, settled, settings.reconcile_seconds * 0.9)
    if this is None:
        return
    async with connection(chassis.pool) as db:
        concerned = await store.touched(db, this)
        patrolled = await store.patrol(db, this.patrolled, settings.reconcile_patrol)
    for some in _portions(list(dict.fromkeys([*concerned, *patrolled]))):
        began = monotonic()
        await _recount(chassis, law, some, this)
        await asyncio.sleep(monotonic() - began)  # half of the time is for those who are prompt
    reached_the_end = len(patrolled) < settings.reconcile_patrol
    async with connection(chassis.pool) as db:
        await store.end(db, this, settled, store.FIRST if reached_the_end or not patrolled else patrolled[-1])


async def _recount(chassis: Chassis, law: Law, complaint_ids: Sequence[UUID], this: store.Look) -> None:
    async with connection(chassis.pool) as db:
        cases = await store.cases(db, complaint_ids)
    found = await asyncio.to_thread(_differences, law, cases, this)
    metrics.RECOUNTED.inc(len(cases))
    if found:
        async with chassis.transaction() as tx:
            for complaint_id, gap in await store.publish(tx.db, found, tx.now):
                tx.emit(_event(tx, complaint_id, gap))
                metrics.GAPS.labels(gap.reason.value).inc()
                log.error("oversight has a gap", extra={"complaint": str(complaint_id), "reason": gap.reason.value})


def _differences(law: Law, cases: Sequence[store.Case], this: store.Look) -> Found:
    found: Found = []
    for case in cases:
        try:
            differ = gaps(law, case.facts, case.clocks, case.said, this.until)
        except UNCOUNTABLE as error:
            differ = [not_recounted(error)]
        found += [(case.complaint_id, gap) for gap in differ]
    return found


def _event(tx: Transaction, complaint_id: UUID, gap: Gap) -> OversightGap:
    """It happened at the instant that passed unmet, where there is one."""
    return OversightGap(
        complaint_id=complaint_id,
        occurred_at=gap.recounted_due_at or gap.said_due_at or tx.now,
        received_at=tx.now,
        **gap._asdict(),
    )


def _portions(complaint_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for n in range(0, len(complaint_ids), AT_ONCE):
        yield complaint_ids[n : n + AT_ONCE]


async def run_heartbeat(monitor: Monitor, chassis: Chassis) -> None:
    """Each minute notes when this process's ticker last looked, and cries out when no ticker of the deployment has."""
    while True:
        try:
            async with connection(chassis.pool) as db:
                if monitor.looked_at:
                    await store.beat(db, chassis.settings.instance, monotonic() - monitor.looked_at)
                silence = await store.last_beat(db)
            if silence is not None:
                metrics.TICKER_SILENCE.set(silence)
                if silence > SILENT:
                    log.error("no ticker has looked for long", extra={"seconds": int(silence)})
        except TRANSIENT as error:
            log.warning("the heartbeat waits for the database", extra={"error": type(error).__name__})
        await asyncio.sleep(BEAT if monitor.looked_at else 1)
