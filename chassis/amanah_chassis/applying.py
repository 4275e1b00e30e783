"""One transaction of deliveries: in waves to the handlers, with what waits set aside and the positions recorded."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from amanah_chassis import metrics, parked, positions, telemetry
from amanah_chassis.batch import Batch, Delivered, Handler, Transaction
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection
from amanah_chassis.logs import logger
from amanah_chassis.waves import Plan, plan
from amanah_contracts.envelope import Message

log = logger(__name__)

SetAside = list[tuple[Delivered[Any], str]]
Take = Callable[[Transaction], Awaitable[bool]]


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


class Applying:
    """Applies deliveries with the handlers of one service; whoever calls it decides what becomes of those that fail."""

    def __init__(self, chassis: Chassis, context: Any, handlers: Mapping[type[Message], Handler]) -> None:
        self._chassis = chassis
        self._context = context
        self._handlers = handlers
        self.parked_possible = True
        """Whether anything may be set aside: so until a look at the table says otherwise."""
        self.parkings = 0
        """How often something was set aside here."""

    async def commit(
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
            self.parkings += 1
            self.parked_possible = True
        applied = [item for wave in planned.waves for item in wave if id(item) not in waiting]
        done = Committed(applied, planned.behind, set_aside)
        self._count(tx.now, done)
        return done

    async def _queued(self, db: Connection, items: Sequence[Delivered[Any]]) -> set[positions.Stream]:
        """Where an earlier order than all of these is set aside already. Orders have no number, so nothing else would tell
        that a later one about the same subject must not overtake it; among themselves these are applied in their order."""
        orders = [item for item in items if not item.seq]
        if not orders or not self.parked_possible:
            return set()
        set_aside = await parked.first_orders(db, {item.event.subject for item in orders})
        here: dict[tuple[str, int, UUID], Delivered[Any]] = {}
        for item in orders:
            place = (item.topic, item.origin.partition, item.event.subject)
            if place not in here or item.origin.offset < here[place].origin.offset:
                here[place] = item
        return {
            (item.source, item.event.subject)
            for place, item in here.items()
            if set_aside.get(place, item.origin.offset) < item.origin.offset
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


def _start_span(item: Delivered[Any]) -> Any:
    span, item.traceparent = telemetry.start(f"process {item.event.type()}", item.traceparent)
    return span
