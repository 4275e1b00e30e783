"""Applies records: decode, order, hand to handlers in waves, record the positions, all in one transaction a batch.

    records ──decode──► deliveries ──positions──► waves ──handlers──► state + outbox + positions ──COMMIT──► offsets
       │ unreadable          │ behind: duplicate, dropped
       ▼                     │ ahead: parked until the gap is filled
    dead letter              ▼

A wave holds at most one message per subject, so a handler may load and record set-based. When a batch fails by the fault of
a record, it is bisected until that record stands alone and is dead-lettered; later records of its stream then find a gap
before them and are parked, and everything else goes on.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from amanah_chassis import dead_letter, metrics, parked, positions, telemetry
from amanah_chassis.batch import Batch, Delivered, Handler, Origin, Transaction
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection, connection
from amanah_chassis.decode import delivered, message_type, own_topic
from amanah_chassis.errors import Refused, ReplayFailed
from amanah_chassis.logs import logger
from amanah_chassis.patience import patiently
from amanah_chassis.waves import Plan, plan
from amanah_contracts.envelope import Event, Message, Registry

log = logger(__name__)

T = TypeVar("T")
SetAside = list[tuple[Delivered[Any], str]]
Take = Callable[[Transaction], Awaitable[bool]]

PARKED_BATCH = 500
"""Of what was set aside, in one transaction."""
HANDLER_FAILED = "handler_failed"
"""Reason of a dead letter that could be read, but whose handler raised."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of the deliveries of one transaction; all empty when there was nothing left to do."""

    applied: list[Delivered[Any]]
    duplicates: list[Delivered[Any]]
    set_aside: SetAside

    @property
    def moved(self) -> set[UUID]:
        """The subjects that moved on, for which something parked may be waiting."""
        return {item.event.subject for item in self.applied}

    @property
    def waiting(self) -> set[UUID]:
        """The subjects of which something waits for a fact. That fact may have been applied by another transaction between
        our look and our commit, so what was parked deserves a second look after it."""
        return {item.event.subject for item, reason in self.set_aside if reason != parked.GAP}


NOTHING = Committed([], [], [])


class Consumer:
    """Applies records of any topic with the handlers of one service."""

    def __init__(
        self, chassis: Chassis, context: Any, registry: Registry, handlers: Mapping[type[Message], Handler]
    ) -> None:
        self._chassis = chassis
        self._context = context
        self._registry = registry
        self._handlers = handlers
        self._parked_possible = True  # until a look at the table says otherwise
        self._parkings = 0

    async def apply(self, records: Sequence[Origin]) -> None:
        """Returns when every record has had its effect, or is dead-lettered or parked, durably. Waits out transient
        faults with back-off for as long as they last; raises nothing but cancellation."""
        started = perf_counter()
        readable, unreadable = self._decode(records)
        for origin, refused in unreadable:
            await self._bury(origin, refused.reason, str(refused))
        await self._apply_or_bisect(readable)
        metrics.BATCH_SECONDS.observe(perf_counter() - started)

    async def replay(self, letter: asyncpg.Record) -> Committed:
        """Applies one row of `chassis_dead_letter` and what waited behind it; in the same transaction it counts as
        replayed. Raises ReplayFailed when it cannot be applied still: it then stays, with its new reason."""
        origin = parked.origin_of(letter)
        readable, unreadable = self._decode([origin])
        if unreadable:
            refused = unreadable[0][1]
            raise await self._still_dead(letter, refused.reason, str(refused))
        try:
            done = await patiently(
                partial(self._commit, readable, lambda tx: dead_letter.take(tx.db, letter["id"], tx.now)), 1
            )
        except Exception as fault:
            raise await self._still_dead(letter, HANDLER_FAILED, _describe(fault)) from fault
        await self._unpark(done.moved | done.waiting)
        return done

    async def sweep(self) -> None:
        """Takes up parked records whose gap was filled by another process, or by a process that died."""
        before = self._parkings
        async with connection(self._chassis.pool) as db:
            possible = await parked.any_parked(db)
            rows = await parked.all_due(db, PARKED_BATCH) if possible else []
        if (
            possible or self._parkings == before
        ):  # else something was set aside while we looked, and we may have missed it
            self._parked_possible = possible
        await self._unpark(await self._apply_parked(rows))

    # -- reading -----------------------------------------------------------------------------------------------------

    def _decode(self, records: Iterable[Origin]) -> tuple[list[Delivered[Any]], list[tuple[Origin, Refused]]]:
        readable: list[Delivered[Any]] = []
        unreadable: list[tuple[Origin, Refused]] = []
        for origin in records:
            try:
                message = message_type(origin, self._registry)
                if message in self._handlers:
                    readable.append(delivered(origin, message))
                elif own_topic(message) is not None:
                    # Nobody here handles it, yet it counts: without it, the next of its stream would look like a gap.
                    readable.append(delivered(origin, Event))
                else:
                    metrics.RECORDS.labels(origin.topic, "skipped").inc()
            except Refused as refused:
                unreadable.append((origin, refused))
        return readable, unreadable

    # -- applying ----------------------------------------------------------------------------------------------------

    async def _apply_or_bisect(self, items: Sequence[Delivered[Any]]) -> None:
        if not items:
            return
        try:
            done = await patiently(partial(self._commit, items), len(items))
        except Exception as fault:
            if len(items) == 1:
                log.error("record failed", extra={"type": items[0].event.type()}, exc_info=fault)
                await self._bury(items[0].origin, HANDLER_FAILED, _describe(fault))
                return
            middle = len(items) // 2
            await self._apply_or_bisect(items[:middle])
            await self._apply_or_bisect(items[middle:])
        else:
            await self._unpark(done.moved | done.waiting)

    async def _commit(
        self, items: Sequence[Delivered[Any]], take: Take | None = None, places: Mapping[int, int] | None = None
    ) -> Committed:
        """One transaction. `take` claims the records where they were kept, in the same transaction, so that a crash neither
        loses nor doubles them; when somebody else has taken one already, nothing happens here. `places`: by the identity of
        a record where it was set aside; that place is given up once it has been applied."""
        spans = [_start_span(item) for item in items] if telemetry.enabled() else []
        try:
            async with self._chassis.transaction() as tx:
                if take is not None and not await take(tx):
                    return NOTHING
                await self._translate_times(tx.db, items)
                known = await positions.load(tx.db, {(item.source, item.event.subject) for item in items if item.seq})
                planned = plan(items, known)
                set_aside = await self._run_waves(tx, planned, await self._queued(tx.db, items))
                waiting = {id(item) for item, _ in set_aside}
                if set_aside:
                    await parked.park(tx.db, set_aside)
                if places:
                    await parked.take(tx.db, [place for item, place in places.items() if item not in waiting])
                await positions.advance(tx.db, known, planned.after)
        finally:
            for span in spans:
                if span is not None:
                    span.end()
        if set_aside:
            self._parkings += 1
            self._parked_possible = True
        applied = [item for wave in planned.waves for item in wave if id(item) not in waiting]
        done = Committed(applied, planned.behind, set_aside)
        self._count(tx.now, done)
        return done

    async def _queued(self, db: Connection, items: Sequence[Delivered[Any]]) -> set[positions.Stream]:
        """Where an earlier order is set aside already. Orders have no number, so nothing else would tell that a later one
        about the same subject must not overtake it."""
        orders = [item for item in items if not item.seq]
        if not orders or not self._parked_possible:
            return set()
        first = await parked.first_orders(db, {item.event.subject for item in orders})
        return {
            (item.source, item.event.subject)
            for item in orders
            if first.get((item.topic, item.origin.partition, item.event.subject), item.origin.offset)
            < item.origin.offset
        }

    async def _run_waves(self, tx: Transaction, planned: Plan, held: set[positions.Stream]) -> SetAside:
        """Runs the handlers; answers what must wait. When a handler sets a delivery aside, the rest of its stream waits
        behind it, and the stream's position stays before it. What is `held` from the beginning waits too."""
        set_aside: SetAside = [(item, parked.GAP) for item in planned.ahead]
        for wave in planned.waves:
            by_class: dict[type[Message], list[Delivered[Any]]] = {}
            for item in wave:
                if held and (item.source, item.event.subject) in held:
                    set_aside.append((item, parked.GAP if item.seq else parked.QUEUE))
                else:
                    by_class.setdefault(type(item.event), []).append(item)
            for message, deliveries in by_class.items():
                handler = self._handlers.get(message)
                if handler is None:
                    continue
                batch: Batch[Any] = Batch(tx.db, tx.now, tx.settled, tx.real, tx.emitted, deliveries)
                await handler(batch, self._context)
                for item, _ in batch.parked:
                    held.add((item.source, item.event.subject))
                    if item.seq:
                        planned.after[item.source, item.event.subject] = item.seq - 1
                set_aside += batch.parked
        return set_aside

    def _count(self, now: datetime, done: Committed) -> None:
        outcomes = Counter(
            (item.topic, "handled" if type(item.event) in self._handlers else "skipped") for item in done.applied
        )
        outcomes.update((item.topic, "duplicate") for item in done.duplicates)
        outcomes.update((item.topic, "parked") for item, _ in done.set_aside)
        for (topic, outcome), count in outcomes.items():
            metrics.RECORDS.labels(topic, outcome).inc(count)
        newest = {item.topic: item.appended_at for item in done.applied}  # the last of a topic in a batch is its newest
        for topic, appended_at in newest.items():
            metrics.LAG_SECONDS.labels(topic).set((now - appended_at).total_seconds())
        if done.set_aside:
            log.info("records set aside", extra={"records": len(done.set_aside)})

    async def _translate_times(self, db: Connection, items: Sequence[Delivered[Any]]) -> None:
        if self._chassis.clock.virtual:
            times = await self._chassis.clock.at(db, [item.origin.appended_at for item in items])
            for item, time in zip(items, times, strict=True):
                item.appended_at = time

    # -- what was set aside ------------------------------------------------------------------------------------------

    async def _unpark(self, moved: set[UUID]) -> None:
        """Applies what waited for these subjects, until nothing more moves. What moves leaves its place, so this comes to
        an end."""
        while moved and self._parked_possible:
            rows = await patiently(partial(self._parked_of, moved), len(moved))
            moved = set()
            for n in range(0, len(rows), PARKED_BATCH):
                moved |= await self._apply_parked(rows[n : n + PARKED_BATCH])

    async def _parked_of(self, subjects: set[UUID]) -> list[asyncpg.Record]:
        async with connection(self._chassis.pool) as db:
            return await parked.due(db, subjects)

    async def _apply_parked(self, rows: Sequence[asyncpg.Record]) -> set[UUID]:
        """The subjects that moved on. All in one transaction; where that fails by the fault of one, or another process has
        taken one, each half by itself."""
        if not rows:
            return set()
        readable: dict[int, Delivered[Any]] = {}
        for row in rows:
            found, unreadable = self._decode([parked.origin_of(row)])
            if not found:
                detail = str(unreadable[0][1]) if unreadable else "no handler takes it any more"
                await self._bury(parked.origin_of(row), "unreadable_after_parking", detail, row["id"])
            else:
                readable[row["id"]] = found[0]
        return await self._apply_places(readable)

    async def _apply_places(self, waiting: Mapping[int, Delivered[Any]]) -> set[UUID]:
        if not waiting:
            return set()
        ids, items = list(waiting), list(waiting.values())
        places = {id(item): place for place, item in waiting.items()}
        try:
            done = await patiently(
                partial(self._commit, items, lambda tx: parked.hold(tx.db, ids), places=places), len(items)
            )
        except Exception as fault:
            if len(items) == 1:
                log.error("parked record failed", extra={"type": items[0].event.type()}, exc_info=fault)
                await self._bury(items[0].origin, HANDLER_FAILED, _describe(fault), ids[0])
                return set()
        else:
            if done != NOTHING or len(items) == 1:
                return done.moved
        middle = len(ids) // 2
        first, second = ({place: waiting[place] for place in half} for half in (ids[:middle], ids[middle:]))
        return await self._apply_places(first) | await self._apply_places(second)

    async def _bury(self, origin: Origin, reason: str, detail: str, parked_id: int | None = None) -> None:
        async def once() -> None:
            async with self._chassis.transaction() as tx:
                if parked_id is not None:
                    await parked.take(tx.db, [parked_id])
                await dead_letter.bury(tx.db, origin, reason, detail, tx.now)

        await patiently(once, 1)
        metrics.RECORDS.labels(origin.topic, "dead").inc()

    async def _still_dead(self, letter: asyncpg.Record, reason: str, detail: str) -> ReplayFailed:
        async with connection(self._chassis.pool) as db:
            await dead_letter.explain(db, letter["id"], reason, detail)
        return ReplayFailed(reason, detail)


def _start_span(item: Delivered[Any]) -> Any:
    span, item.traceparent = telemetry.start(f"process {item.event.type()}", item.traceparent)
    return span


def _describe(fault: Exception) -> str:
    """Class and place only: an error's text may quote the data that caused it."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    return f"{type(fault).__name__}{where}"
