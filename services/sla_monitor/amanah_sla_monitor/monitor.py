"""What the handlers, the ticker and the API of one process share, and how a new law comes to them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from amanah_chassis.catching_up import caught_up
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection, connection
from amanah_chassis.errors import TRANSIENT, Misconfigured
from amanah_chassis.logs import logger
from amanah_chassis.patience import patiently
from amanah_sla_monitor import metrics, past, store
from amanah_sla_monitor.domain import fingerprints
from amanah_sla_monitor.domain.law import Law

log = logger(__name__)

BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)

BEHIND = timedelta(seconds=0.5)
"""A fact that lay in Kafka for longer shows that this process does not keep up."""
UNREAD = 0.45
"""Seconds in which a fetch comes back twice, with or without anything new, and what it brings is applied."""
PATIENCE = 15.0
"""Seconds for which what has passed may wait for what lies unread in a Kafka that answers."""


@dataclass
class Monitor:
    """One process of the monitor."""

    law: Law
    read: Callable[[], Law]
    """Reads the law of the pack anew. Raises Misconfigured."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a clock wants to be looked at sooner than the ticker knows."""
    law_applied: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody has applied another law."""
    asleep_until: datetime | None = None
    """What the ticker sleeps for; None: it is awake, or sleeps for nothing, and wants to hear of every new instant."""
    looked_at: float = 0.0
    """When the ticker last looked, on the monotonic clock: see `metrics.SCAN_AGE`."""
    known_until: datetime | None = BEFORE_ALL
    """All that had been written by then has been applied; nothing later falls due yet. None: this process keeps up."""
    behind: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something may lie unread, as it may at the start."""
    fingerprint: str = ""
    not_found: str = ""
    """A law that was applied and is not the one of our pack: not looked for again until another one is."""

    def __post_init__(self) -> None:
        self.fingerprint = fingerprints.whole(self.law)
        self.behind.set()

    def fall_behind(self) -> None:
        """Nothing falls due until what lies unread is known."""
        if self.known_until is None:
            self.known_until = BEFORE_ALL
        self.behind.set()


async def in_force(db: Connection, monitor: Monitor) -> Law:
    """The law to fold by, which stays in force until the end of the transaction: see the table `law`."""
    applied = await store.law_in_force(db, hold=True)
    if applied not in (monitor.fingerprint, monitor.not_found):
        await _read_anew(monitor, applied)
    return monitor.law


async def begin(db: Connection, monitor: Monitor, pack: Path) -> None:
    """At the start: the first law of a deployment is in force at once. Of a later one, clocks that run are to be told."""
    applied = await store.first_law(db, monitor.fingerprint)
    await past.keep(db, monitor.law, pack)
    changed = await store.note_parts(db, fingerprints.parts(monitor.law))
    for kind, name, version in changed:
        log.error("the law changed without a new version", extra={"kind": kind, "part": name, "version": version})
    if applied != monitor.fingerprint:
        _not_applied(monitor, applied)


async def run_catching_up(monitor: Monitor, chassis: Chassis, topics: Sequence[str]) -> None:
    """After downtime, and on a machine that is too busy, the answer to a deadline may lie unread beside its filing, and so
    may who holds the case: whatever has passed is said once that has been read, or after PATIENCE. Runs until cancelled."""
    while True:
        await monitor.behind.wait()
        monitor.behind.clear()
        begun = await patiently(partial(_settled, chassis), 1)
        await caught_up(chassis.settings.kafka, "amanah.sla_monitor", topics, PATIENCE)
        if monitor.behind.is_set() or await chassis.unread_for() > UNREAD:
            monitor.known_until = begun
            monitor.behind.set()
        else:
            monitor.known_until = None
        monitor.wake.set()


async def keeps_up(monitor: Monitor, chassis: Chassis) -> bool:
    """Whether nothing may lie unread for long; else it is noted, here and by the other processes."""
    if await chassis.unread_for() <= UNREAD:
        return True
    async with connection(chassis.pool) as db:
        await fell_behind(db, monitor)
    return False


async def fell_behind(db: Connection, monitor: Monitor) -> None:
    """Noted here, and by the other processes at commit: none of them knows whose facts lie unread."""
    if monitor.known_until is None:
        log.warning("what falls due waits for what may lie unread")
        await store.tell_behind(db)
    monitor.fall_behind()


async def _settled(chassis: Chassis) -> datetime:
    async with connection(chassis.pool) as db:
        return (await chassis.clock.read(db)).settled


async def run_law(monitor: Monitor, chassis: Chassis) -> None:
    """Brings a law that was applied to those who ask this process for dates. Runs until cancelled."""
    while True:
        await monitor.law_applied.wait()
        monitor.law_applied.clear()
        try:
            async with connection(chassis.pool) as db:
                applied = await store.law_in_force(db, hold=False)
        except TRANSIENT as error:
            log.warning("the new law waits for the database", extra={"error": type(error).__name__})
            await asyncio.sleep(1)
            monitor.law_applied.set()
            continue
        if applied == monitor.fingerprint:
            metrics.LAW_NOT_APPLIED.set(0)
        elif applied != monitor.not_found:
            await _read_anew(monitor, applied)


async def _read_anew(monitor: Monitor, applied: str) -> None:
    try:
        law = await asyncio.to_thread(monitor.read)
    except Misconfigured as wrong:
        log.error("the law that was applied cannot be read", extra={"why": str(wrong)})
        monitor.not_found = applied
        return
    monitor.law, monitor.fingerprint = law, fingerprints.whole(law)
    if monitor.fingerprint == applied:
        metrics.LAW_NOT_APPLIED.set(0)
        log.info("another law is in force", extra={"fingerprint": applied})
    else:
        _not_applied(monitor, applied)


def _not_applied(monitor: Monitor, applied: str) -> None:
    """Never a reason to stop the watch: new facts are folded by the law at hand, and somebody is called."""
    monitor.not_found = applied
    metrics.LAW_NOT_APPLIED.set(1)
    log.error("the law of the pack is not the one applied last; see amanah law diff, then amanah law apply")
