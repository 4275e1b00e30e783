"""How far a member of a group has come: told to Kafka in the end, and known here at any time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import time  # noqa: TID251 - compared with stamps that aiokafka takes from the same clock
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from amanah_chassis.logs import logger

log = logger(__name__)

COMMIT_PAUSE = 0.5


class Offsets:
    """Commits how far a group has come. What the coordinator does not take, because it is away or has moved, is tried again
    also when nothing new comes: whoever asks the group how far it is would else never hear of it."""

    def __init__(self, consumer: Callable[[], Any]) -> None:
        self._consumer = consumer
        self._uncommitted: dict[TopicPartition, int] = {}
        self._again: asyncio.Task[None] | None = None

    async def commit(self, records: Sequence[Any]) -> None:
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._uncommitted[partition] = max(self._uncommitted.get(partition, 0), record.offset + 1)
        if not await self._try() and (self._again is None or self._again.done()):
            self._again = asyncio.create_task(self._try_again())

    async def _try_again(self) -> None:
        await asyncio.sleep(COMMIT_PAUSE)
        while not await self._try():
            await asyncio.sleep(COMMIT_PAUSE)

    async def _try(self) -> bool:
        """Whether nothing is left to be tried."""
        consumer = self._consumer()
        offsets = {at: offset for at, offset in self._uncommitted.items() if at in consumer.assignment()}
        self._uncommitted = dict(offsets)
        try:
            if offsets:
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            # The partitions went to another member meanwhile. It will read these records again and find them applied.
            log.warning("offsets not committed: the group was rebalanced", extra={"partitions": len(offsets)})
        except KafkaError as error:
            log.warning("offsets not committed", extra={"error": type(error).__name__, "partitions": len(offsets)})
            return False
        for at, offset in offsets.items():
            if self._uncommitted.get(at) == offset:
                del self._uncommitted[at]
        return True


class Reading:
    """For how long something may have been in Kafka that is not applied here: up to the last fetch after which nothing was
    left to be applied, everything is known. Fetches come back several times a second, also when nothing is new."""

    def __init__(self, consumer: Callable[[], Any]) -> None:
        self._consumer = consumer
        self._busy = False
        self._worked_at = time()
        self._known: dict[TopicPartition, float] = {}
        """Up to when, in seconds since 1970."""

    @asynccontextmanager
    async def applying(self) -> AsyncIterator[None]:
        """Around the work at a batch, of which there is one at a time."""
        self._busy = True
        try:
            yield
        finally:
            self._busy, self._worked_at = False, time()
        await self._look()

    async def unread_for(self) -> float:
        """Seconds, at most; of a partition that has just been assigned, since then. 0 while none is."""
        if not self._busy:
            await self._look()
        now, consumer = time(), self._consumer()
        assigned = consumer.assignment() if consumer else ()
        self._known = {partition: self._known.get(partition, now) for partition in assigned}
        return max((now - known for known in self._known.values()), default=0.0)

    async def stalled_for(self) -> float:
        """Seconds for which nothing was fetched though nothing was being done; 0 while a batch is in hand."""
        return 0.0 if self._busy else min(await self.unread_for(), time() - self._worked_at)

    async def _look(self) -> None:
        consumer = self._consumer()
        for partition in consumer.assignment() if consumer else ():
            with suppress(IllegalStateError):  # it is another's by now
                fetched_ms = consumer.last_poll_timestamp(partition)
                if fetched_ms is not None and await consumer.position(partition) >= consumer.highwater(partition):
                    self._known[partition] = fetched_ms / 1000
