"""Another law for clocks that run: who would be moved, and the moving.

Each batch is a transaction of its own and folds its complaints anew, so a clock is moved at most once, however often this
is begun: what has been told already is no difference any more. Two batches are on the way at a time, for the
server writes one while the other is folded. The ticker passes over the rows of a batch and comes back to them a few
milliseconds later. Nothing of it needs the monitor's process: it commits to the same tables and the same outbox. No stretch
of complaints needs another one, so several processes may share them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from amanah_chassis.batch import Transaction
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection
from amanah_chassis.logs import logger
from amanah_sla_monitor import past, store, telling
from amanah_sla_monitor.domain import fingerprints
from amanah_sla_monitor.domain.diff import Decision
from amanah_sla_monitor.domain.fingerprints import Part
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.telling import Difference, Facts

log = logger(__name__)

BATCH = 500
"""Complaints in one transaction: some tenths of a second, by which the breach of one of them may be late."""
ABREAST = 2
"""Batches at a time, each on a connection of its own."""
STRETCH = 10_000
"""Complaints, finished ones too, that are walked through as one; so a statement is short also where years of them lie."""
BEFORE_ALL = UUID(int=0)
GIVEN_WAY = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
TRIES, PAUSE = 10, 0.1
"""How often, and after how many seconds, a batch that gave way is tried again."""


class Stretch(NamedTuple):
    """Complaints by their ids: those after `after`, up to and including `upto`."""

    after: UUID
    upto: UUID


@dataclass(frozen=True, slots=True)
class Looked:
    """One batch: how many complaints were looked at, and what the law says otherwise of their clocks."""

    complaints: int
    decisions: tuple[tuple[UUID, Decision], ...]


class NoNewVersion(Exception):
    """A law that may not be applied: these rules and calendars differ from what they were under the same version."""

    def __init__(self, changed: list[Part]) -> None:
        named = ", ".join(f"{kind} {name} version {version}" for kind, name, version in changed)
        super().__init__(f"{named}: changed since it came into force. Give every change a version of its own.")


class Superseded(Exception):
    """Another law has come into force while this one was being told to the clocks; that one's `apply` moves them all."""

    def __init__(self) -> None:
        super().__init__("another law has been applied meanwhile, and it goes on; this one is no longer in force")


async def check(chassis: Chassis, law: Law) -> None:
    """Raises NoNewVersion."""
    async with chassis.pool.acquire() as db:
        changed = await store.changed_parts(db, fingerprints.parts(law))
    if changed:
        raise NoNewVersion(changed)


async def put_in_force(chassis: Chassis, law: Law) -> None:
    """From the commit on every new fact is folded by it. Raises NoNewVersion."""
    await check(chassis, law)
    async with chassis.transaction() as tx:
        await store.put_in_force(tx.db, fingerprints.whole(law))
        await store.note_parts(tx.db, fingerprints.parts(law))
        await past.keep(tx.db, law, chassis.settings.pack)


async def stretches(chassis: Chassis) -> AsyncIterator[Stretch]:
    """All complaints there are, in stretches. Whoever comes later comes under the law that is in force already."""
    after = BEFORE_ALL
    while True:
        async with chassis.pool.acquire() as db:
            upto = await store.end_of_stretch(db, after, STRETCH)
        if upto is None:
            return
        yield Stretch(after, upto)
        after = upto


async def apply(chassis: Chassis, law: Law) -> AsyncIterator[Looked]:
    """Puts the law in force and tells every clock that runs of it. Raises NoNewVersion and Superseded."""
    await put_in_force(chassis, law)
    async for stretch in stretches(chassis):
        async for looked in move(chassis, law, stretch):
            yield looked


async def preview(chassis: Chassis, law: Law, stretch: Stretch) -> AsyncIterator[Looked]:
    """What `move` would say, batch by batch. Changes nothing and holds nobody up."""
    after, more = stretch.after, True
    while more:
        async with chassis.transaction() as tx:
            facts = await store.unfinished(tx.db, after, stretch.upto, BATCH, lock=False)
            told = await store.deadlines(tx.db, facts, lock=False)
            difference = telling.decide(tx, law, facts, told, nothing_is_new=True)
        yield Looked(len(facts), tuple(difference.decisions))
        after, more = _last(facts, after), len(facts) == BATCH


async def move(chassis: Chassis, law: Law, stretch: Stretch) -> AsyncIterator[Looked]:
    """Tells the clocks of a stretch of the law that is in force, batch by batch. Raises Superseded."""
    walk = Walk(fingerprints.whole(law), stretch)
    async for looked in _abreast(lambda: _move(chassis, law, walk)):
        yield looked


@dataclass(slots=True)
class Walk:
    """How far the batches of a stretch have come. One at a time takes the next complaints; what follows they do side by
    side."""

    law: str
    """Its fingerprint."""
    left: Stretch | None
    """None: to the end."""
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Share:
    """The complaints of one batch, which stay the same when it must be begun anew."""

    walk: Walk
    stretch: Stretch | None = None

    async def take(self, db: Connection) -> Facts | None:
        """All their facts, locked; None when there are none left."""
        if self.stretch is not None:
            return await store.unfinished(db, *self.stretch, BATCH, lock=True)
        async with self.walk.taking:
            if self.walk.left is None:
                return None
            after, upto = self.walk.left
            facts = await store.unfinished(db, after, upto, BATCH, lock=True)
            last, full = _last(facts, after), len(facts) == BATCH
            self.stretch = Stretch(after, last if full else upto)
            self.walk.left = Stretch(last, upto) if full else None
        return facts


async def _move(chassis: Chassis, law: Law, walk: Walk) -> Looked | None:
    """The next batch; None when there is none. A handler locks the cases of each kind of message in their order, one kind
    after the other, so the two may wait for each other. Then PostgreSQL ends one of them, and it begins anew."""
    share = Share(walk)
    for _ in range(TRIES):
        with suppress(*GIVEN_WAY):
            return await _move_share(chassis, law, share)
        log.warning("a batch gave way to a handler and begins anew")
        await asyncio.sleep(PAUSE)
    return await _move_share(chassis, law, share)


async def _move_share(chassis: Chassis, law: Law, share: Share) -> Looked | None:
    """One batch, from its locks to its commit."""
    async with chassis.transaction() as tx:
        if await store.law_in_force(tx.db, hold=True) != share.walk.law:
            raise Superseded
        facts = await share.take(tx.db)
        if facts is None:
            return None
        difference = await _tell(chassis, tx, law, facts)
        if difference.changed:
            await store.wake_tickers(tx.db)
    return Looked(len(facts), tuple(difference.decisions))


async def _tell(chassis: Chassis, tx: Transaction, law: Law, facts: Facts) -> Difference:
    """First without a lock on each clock, which would cost as much as to write it: the ticker seldom comes between."""
    try:
        async with tx.db.transaction():  # a savepoint
            return await _record(chassis, tx, law, facts, lock=False)
    except store.Overtaken:
        return await _record(chassis, tx, law, facts, lock=True)


async def _record(chassis: Chassis, tx: Transaction, law: Law, facts: Facts, *, lock: bool) -> Difference:
    told = await store.deadlines(tx.db, facts, lock=lock)
    # Until these were read the ticker went on: by an instant from before it said a breach, we would take that back.
    reading = await chassis.clock.read(tx.db)
    tx.now, tx.settled = reading.now, reading.settled
    difference = telling.decide(tx, law, facts, told, nothing_is_new=True)
    await telling.record(tx, difference, read_unlocked=None if lock else told)
    return difference


def _last(facts: dict[UUID, Any], after: UUID) -> UUID:
    """The last id of a batch, which comes in their order."""
    return next(reversed(facts), after)


async def _abreast(batch: Callable[[], Coroutine[Any, Any, Looked | None]]) -> AsyncIterator[Looked]:
    """Batch after batch until there is none, several at a time: one is folded here while the server writes another."""
    going = {asyncio.ensure_future(batch()) for _ in range(ABREAST)}
    try:
        while going:
            done, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            for looked in [one.result() for one in done]:
                if looked is not None:
                    going.add(asyncio.ensure_future(batch()))
                    yield looked
    finally:
        for one in going:
            one.cancel()
        await asyncio.gather(*going, return_exceptions=True)
