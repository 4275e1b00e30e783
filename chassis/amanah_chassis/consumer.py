"""Applies records: decode, order, hand to handlers in waves, record the positions, all in one transaction a batch.

    records ──decode──► deliveries ──positions──► waves ──handlers──► state + outbox + positions ──COMMIT──► offsets
       │ unreadable          │ behind: duplicate, dropped
       ▼                     │ ahead: parked until the gap is filled
    dead letter              ▼

A wave holds at most one message per subject, so a handler may load and record set-based. When a batch fails by the fault of
a record, it is bisected until that record stands alone and is dead-lettered; later records of its stream then find a gap
before them and are parked, and everything else goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from amanah_chassis import dead_letter, metrics, parked
from amanah_chassis.applying import NOTHING, Applying, Committed
from amanah_chassis.batch import Delivered, Handler, Origin
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import connection
from amanah_chassis.decode import delivered, message_type, own_topic
from amanah_chassis.errors import Refused, ReplayFailed
from amanah_chassis.logs import logger
from amanah_chassis.patience import patiently
from amanah_contracts.envelope import Event, Message, Registry

log = logger(__name__)

T = TypeVar("T")
PARKED_BATCH = 500
"""Of what was set aside, in one transaction."""
HANDLER_FAILED = "handler_failed"
"""Reason of a dead letter that could be read, but whose handler raised."""


class Consumer:
    """Applies records of any topic with the handlers of one service."""

    def __init__(
        self, chassis: Chassis, context: Any, registry: Registry, handlers: Mapping[type[Message], Handler]
    ) -> None:
        self._chassis = chassis
        self._registry = registry
        self._handlers = handlers
        self._applying = Applying(chassis, context, handlers)

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
                partial(self._applying.commit, readable, lambda tx: dead_letter.take(tx.db, letter["id"], tx.now)), 1
            )
        except Exception as fault:
            raise await self._still_dead(letter, HANDLER_FAILED, _describe(fault)) from fault
        await self._unpark(done.moved | done.waiting)
        return done

    async def sweep(self) -> None:
        """Takes up parked records whose gap was filled by another process, or by a process that died."""
        before = self._applying.parkings
        async with connection(self._chassis.pool) as db:
            possible = await parked.any_parked(db)
            rows = await parked.all_due(db, PARKED_BATCH) if possible else []
        if possible or self._applying.parkings == before:
            # Else something was set aside while we looked, and we may have missed it.
            self._applying.parked_possible = possible
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
            done = await patiently(partial(self._applying.commit, items), len(items))
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

    # -- what was set aside ------------------------------------------------------------------------------------------

    async def _unpark(self, moved: set[UUID]) -> None:
        """Applies what waited for these subjects, until nothing more moves. What moves leaves its place, so this comes to
        an end."""
        while moved and self._applying.parked_possible:
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
                partial(self._applying.commit, items, lambda tx: parked.hold(tx.db, ids), places=places), len(items)
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


def _describe(fault: Exception) -> str:
    """Class and place only: an error's text may quote the data that caused it."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    return f"{type(fault).__name__}{where}"
