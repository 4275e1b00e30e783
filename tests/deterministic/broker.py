"""Kafka as far as the services can tell: partitions, offsets, groups; no socket, no thread, no time of its own.

A record stays where it was appended. A member of a group reads on from its position; what it has not committed when it dies
is read again. Sending is the relay's own code with `Producer` for aiokafka's, reading the chassis's own `subscribe` with
`Reader` for FastStream's broker.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import RequestTimedOutError

Header = tuple[str, bytes | None]
Place = tuple[str, int]
"""Topic and partition."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class Record(NamedTuple):
    """Named as aiokafka names them."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: tuple[Header, ...]
    value: bytes | None


class Broker:
    """All topics, and how far each group has come."""

    def __init__(self, partitions: Mapping[str, int], now: datetime) -> None:
        self.now = now
        self.log: dict[Place, list[Record]] = {
            (topic, number): [] for topic, count in partitions.items() for number in range(count)
        }
        self.committed: dict[tuple[str, Place], int] = {}
        self._partitions = dict(partitions)

    def partitions(self, topic: str) -> int:
        return self._partitions.get(topic, 0)

    def topics(self) -> list[str]:
        return list(self._partitions)

    def append(
        self, topic: str, partition: int, key: bytes | None, headers: Sequence[Header], value: bytes | None
    ) -> None:
        """Stamped by the broker, in whole milliseconds."""
        stamp = (self.now - _EPOCH) // timedelta(milliseconds=1)
        log = self.log[topic, partition]
        log.append(Record(topic, partition, len(log), stamp, key, tuple(headers), value))

    def records(self, topic: str | None = None) -> list[Record]:
        return [record for place, log in self.log.items() for record in log if topic in (None, place[0])]


class Batch:
    """As much of aiokafka's BatchBuilder as the relay uses."""

    MOST = 40
    """Records. Few, so that batches are closed and begun anew."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, list[Header], bytes | None]] = []

    def append(self, *, timestamp: int | None, key: bytes, value: bytes, headers: list[Header]) -> object | None:
        if len(self.records) >= self.MOST:
            return None
        self.records.append((key, headers, value))
        return self

    def size(self) -> int:
        return sum(len(value or b"") for _, _, value in self.records)

    def close(self) -> None:
        pass


class Producer:
    """Appends at once. `lose`: how the next batch fares, `before` it reaches the log, or `after`, the answer being lost."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.lose: str | None = None
        self.client = self.cluster = self

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._broker.partitions(topic))) or None

    async def add_topic(self, topic: str) -> None:
        pass

    async def force_metadata_update(self) -> bool:
        return True

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Awaitable[None]:
        how, self.lose = self.lose, None
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if how != "before":
            for key, headers, value in batch.records:
                self._broker.append(topic, partition, key, headers, value)
        if how is None:
            answer.set_result(None)
        else:
            answer.set_exception(RequestTimedOutError())
        return answer

    async def stop(self) -> None:
        pass


class Subscription:
    """One member of a group, as FastStream would run it: `hand_over` is what the chassis registered."""

    def __init__(self, broker: Broker, group: str, wants: Callable[[str], bool], step: Callable[[], None]) -> None:
        self._broker = broker
        self._step = step
        self.group = group
        self._wants = wants
        self.consumer = self
        self.hand_over: Callable[[tuple[Record, ...]], Awaitable[None]]
        self.position: dict[Place, int] = {}
        self.begin_anew()

    def __call__(self, handler: Callable[[tuple[Record, ...]], Awaitable[None]]) -> None:
        self.hand_over = handler

    def assignment(self) -> set[TopicPartition]:
        """A group has one member here."""
        return {TopicPartition(*place) for place in self.places()}

    def last_poll_timestamp(self, _: TopicPartition) -> None:
        """How far behind a process is, its monitor asks by itself; here it is told what is known."""

    async def commit(self, offsets: Mapping[Any, int]) -> None:
        self._step()
        for (topic, partition), offset in offsets.items():
            self._broker.committed[self.group, (topic, partition)] = offset

    def begin_anew(self) -> None:
        """What a restart and a rebalance do: read on from what was committed."""
        self.position = {place: self._broker.committed.get((self.group, place), 0) for place in self.places()}

    def rewind(self) -> None:
        """What an operator does who resets a group to the earliest offset."""
        for place in self.places():
            self._broker.committed[self.group, place] = 0
        self.begin_anew()

    def places(self) -> list[Place]:
        return [place for place in self._broker.log if self._wants(place[0])]

    def lag(self) -> dict[Place, int]:
        ends = {place: len(self._broker.log[place]) - self.position.get(place, 0) for place in self.places()}
        return {place: behind for place, behind in ends.items() if behind}

    def take(self, place: Place, count: int) -> list[Record]:
        """The next records of one partition; the position moves on, nothing is committed."""
        at = self.position.get(place, 0)
        taken = self._broker.log[place][at : at + count]
        self.position[place] = at + len(taken)
        return taken


class Reader:
    """Stands where FastStream's KafkaBroker does. `step` is called before offsets are committed: a process may die there."""

    def __init__(self, broker: Broker, step: Callable[[], None]) -> None:
        self._broker = broker
        self._step = step
        self.subscriptions: list[Subscription] = []

    def subscriber(self, *topics: str, pattern: str | None, group_id: str, **_: Any) -> Subscription:
        wanted = re.compile(pattern) if pattern else None
        made = Subscription(
            self._broker,
            group_id,
            lambda topic: topic in topics or bool(wanted and wanted.fullmatch(topic)),
            self._step,
        )
        self.subscriptions.append(made)
        return made
