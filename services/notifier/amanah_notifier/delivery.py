"""The delivery worker: claims what is due, sends it outside of any transaction, records what came of it.

    due ──claim, with a lease──► held ──send──► outcome ──record, with NoticeSent or NoticeFailed──► settled, or due later

A crash between send and record sends the same notice again under the same id: at least once, never silently not. Nothing is
held open over a network call, so a slow recipient costs a lane's slot and no database connection.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

import asyncpg

from amanah_chassis.chassis import Chassis
from amanah_chassis.errors import TRANSIENT
from amanah_chassis.logs import logger
from amanah_chassis.patience import patiently
from amanah_contracts.notifier import NoticeFailed, NoticeSent
from amanah_notifier import metrics, store
from amanah_notifier.contact import Contacts, Unavailable
from amanah_notifier.domain import CONTACT, Channel, audience
from amanah_notifier.schedule import Accepted, GiveUp, NotWanted, Outcome, Overtaken, Postponed, Schedule, TryAgain
from amanah_notifier.settings import NotifierSettings
from amanah_notifier.store import Claimed, Result, Room
from amanah_notifier.words import Catalogue

log = logger(__name__)
T = TypeVar("T")

_LONGEST_SLEEP = 10.0
"""A worker looks by itself at least this often, should Postgres have lost its listening connection unnoticed."""


class Sender(Protocol):
    """One attempt by one channel. A recipient's failings are outcomes; what is raised is a fault of ours."""

    async def send(self, notice: Claimed, address: str, at: datetime, language: str | None) -> Outcome: ...


class Worker:
    """Runs until cancelled. Two at once are harmless; they must have different names."""

    def __init__(
        self,
        chassis: Chassis,
        settings: NotifierSettings,
        catalogue: Catalogue,
        senders: dict[Channel, Sender],
        contacts: Contacts,
    ) -> None:
        self._chassis = chassis
        self._settings = settings
        self._catalogue = catalogue
        self._senders = senders
        self._contacts = contacts
        self._schedule = Schedule(settings.retry_seconds)
        self._name = settings.instance
        self._room = Room(settings.concurrency, settings.lane_concurrency, settings.mail_concurrency)
        self._wake = asyncio.Event()
        self._busy: Counter[str] = Counter()
        self._done: list[tuple[Claimed, Outcome]] = []
        self._recordable = asyncio.Event()

    async def run(self) -> None:
        await patiently(self._release)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._record_all())
            while True:
                self._wake.clear()
                claimed = await patiently(self._claim)
                for notice in claimed:
                    self._busy[notice.lane] += 1
                    tasks.create_task(self._deliver(notice))
                if not claimed:
                    await self._sleep()

    # -- waking -------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Postgres says at commit when a notice was queued, by whichever process."""
        while True:
            try:
                db = await asyncpg.connect(self._settings.database)
                try:
                    await db.add_listener(store.WAKE, lambda *_: self._wake.set())
                    self._wake.set()
                    while not db.is_closed():
                        await asyncio.sleep(1)
                finally:
                    await db.close(timeout=2)
            except TRANSIENT as away:
                log.warning("not listening", extra={"error": type(away).__name__})
            await asyncio.sleep(1)

    async def _sleep(self) -> None:
        """Until the next notice is due, a slot is free, or somebody wakes us."""
        seconds = _LONGEST_SLEEP
        if self._busy.total() < self._room.total:
            due = await patiently(self._seconds_to_next)
            seconds = seconds if due is None else min(due, seconds)
        try:
            # Not wait_for, which in Python 3.11 loses a cancellation that comes together with the wake-up.
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _seconds_to_next(self) -> float | None:
        full = [lane for lane, busy in self._busy.items() if busy >= self._room.of(lane)]
        async with self._chassis.pool.acquire() as db:
            return await store.seconds_to_next(db, full)

    # -- claiming and sending -----------------------------------------------------------------------------------------

    async def _release(self) -> None:
        async with self._chassis.pool.acquire() as db:
            released = await store.release(db, self._name)
        if released:
            log.info("taken up again after a stop", extra={"notices": released})

    async def _claim(self) -> list[Claimed]:
        if self._busy.total() >= self._room.total:
            return []
        async with self._chassis.pool.acquire() as db:
            return await store.claim(db, self._name, self._room, self._busy, self._settings.lease_seconds)

    async def _deliver(self, notice: Claimed) -> None:
        try:
            outcome = await self._attempt(notice, asyncio.get_running_loop().time())
        except Exception as fault:
            # A fault of ours, such as a template that a newer catalogue lost. It takes the notice's ordinary way: a repair
            # within the schedule saves it, else it ends as NoticeFailed. It must not stop the notices of everybody else.
            log.error("attempt broke", extra={"notice": str(notice.id)}, exc_info=fault)
            outcome = TryAgain(f"fault {type(fault).__name__}")
        self._done.append((notice, outcome))
        self._recordable.set()

    async def _attempt(self, notice: Claimed, started: float) -> Outcome:
        if notice.overtaken:
            return Overtaken()
        if notice.gone:
            return GiveUp("endpoint_disabled", tried=False)
        address, language = notice.address, None
        if address == CONTACT:
            try:
                contact = await self._contacts.of(notice.complaint_id)
            except Unavailable as away:
                log.warning("no contact from intake", extra={"why": str(away)})
                return Postponed("intake_away")
            if contact is None:
                return NotWanted()
            address, language = contact.email, self._catalogue.choose(contact.language)
        # Real time is the database's, carried forward by this process's monotonic clock for the moments since the claim.
        at = notice.claimed_at + timedelta(seconds=asyncio.get_running_loop().time() - started)
        return await self._senders[notice.channel].send(notice, address, at, language)

    # -- recording ----------------------------------------------------------------------------------------------------

    async def _record_all(self) -> None:
        """Outcomes that come while one commit is under way share the next."""
        while True:
            await self._recordable.wait()
            self._recordable.clear()
            finished, self._done = self._done, []
            await patiently(partial(self._record, finished))
            self._busy -= Counter(notice.lane for notice, _ in finished)
            self._wake.set()

    async def _record(self, finished: Sequence[tuple[Claimed, Outcome]]) -> None:
        results = {notice.id: self._result(notice, outcome) for notice, outcome in finished}
        async with self._chassis.transaction() as tx:
            states = await store.record(tx.db, self._name, list(results.values()))
            for notice, _ in finished:
                if event := settled(notice, results[notice.id], states.get(notice.id), tx.now):
                    tx.emit(event, notice.traceparent)
        for notice, _ in finished:
            _count(notice, results[notice.id], states.get(notice.id))

    def _result(self, notice: Claimed, outcome: Outcome) -> Result:
        state, reason, wait, gone, counts = "pending", "accepted", 0.0, None, True
        if isinstance(outcome, Accepted):
            state = "sent"
        elif isinstance(outcome, TryAgain):
            reason = outcome.reason
            later = self._schedule.wait_after(notice.id, notice.attempts + 1, outcome)
            state, wait = ("failed", 0.0) if later is None else ("pending", later)
        elif isinstance(outcome, GiveUp):
            state, reason, counts = "failed", outcome.reason, outcome.tried
            gone = notice.address if outcome.gone else None
        elif isinstance(outcome, NotWanted):
            state, reason, counts = "not_wanted", "no_contact", False
        elif isinstance(outcome, Overtaken):
            state, reason, counts = "superseded", "overtaken", False
        else:
            reason, wait, counts = outcome.reason, self._schedule.postponed, False
        reference = self._catalogue.reference(notice.template)
        return Result(notice.id, notice.claims, state, reason, wait, reference, counts, gone)


def settled(notice: Claimed, result: Result, state: str | None, now: datetime) -> NoticeSent | NoticeFailed | None:
    """The event that tells of a notice's end; None while it goes on, when it ends without anybody to tell, or when
    another worker holds it by now."""
    shared: dict[str, Any] = {
        "complaint_id": notice.complaint_id,
        "occurred_at": now,
        "received_at": now,
        "notice_id": str(notice.id),
        "about": notice.about,
        "stage": notice.stage,
        "recipient": notice.recipient,
        "channel": str(notice.channel),
        "template": result.reference,
        "attempts": notice.attempts + result.counts,
    }
    if state == "sent":
        return NoticeSent(**shared)
    if state == "failed":
        return NoticeFailed(**shared, agency=notice.agency, reason=result.result)
    return None


def _count(notice: Claimed, result: Result, state: str | None) -> None:
    metrics.ATTEMPTS.labels(notice.channel, result.result if state else "lease_lost").inc()
    if state == "superseded":
        metrics.SUPERSEDED.labels(audience(notice.recipient), notice.channel).inc()
    if state == "failed":
        metrics.GIVEN_UP.labels(audience(notice.recipient), notice.channel).inc()
        log.error(
            "notice given up",
            extra={"notice": str(notice.id), "audience": audience(notice.recipient), "reason": result.result},
        )


async def measure(chassis: Chassis) -> None:
    """Brings the gauges up to date every few seconds; runs until cancelled."""
    while True:
        try:
            async with chassis.pool.acquire() as db:
                waiting, gone = await store.waiting(db), await store.gone_endpoints(db)
        except TRANSIENT as away:
            log.warning("not measured", extra={"error": type(away).__name__})
        else:
            metrics.PENDING.clear()
            metrics.OLDEST_SECONDS.clear()
            for row in waiting:
                metrics.PENDING.labels(row.recipient, row.channel).set(row.notices)
                metrics.OLDEST_SECONDS.labels(row.recipient, row.channel).set(row.oldest_seconds)
            metrics.ENDPOINTS_GONE.set(gone)
        await asyncio.sleep(5)
