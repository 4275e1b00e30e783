"""How far a group has come is told to Kafka in the end; and how long Kafka has been silent is known."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, GroupCoordinatorNotAvailableError

from amanah_chassis import broker
from amanah_chassis.broker import Listening, Offsets

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


class Consumer:
    """Takes commits, or raises what it is told to raise."""

    def __init__(self) -> None:
        self.assigned = {A, B}
        self.faults: list[Exception] = []
        self.committed: list[dict[TopicPartition, int]] = []
        self.polled: dict[TopicPartition, int | None] = {A: None, B: None}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self.polled[partition]

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.committed.append(offsets)


def records(partition: TopicPartition, *offsets: int) -> list[Any]:
    return [SimpleNamespace(topic=partition.topic, partition=partition.partition, offset=offset) for offset in offsets]


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    monkeypatch.setattr(broker, "COMMIT_PAUSE", 0.001)
    return Consumer()


async def eventually_commits(consumer: Consumer, expected: list[dict[TopicPartition, int]]) -> None:
    async with asyncio.timeout(5):
        while consumer.committed != expected:
            await asyncio.sleep(0.001)


async def test_what_the_coordinator_does_not_take_is_tried_again_though_nothing_new_comes(consumer: Consumer) -> None:
    consumer.faults = [GroupCoordinatorNotAvailableError()] * 3
    offsets = Offsets(lambda: consumer)
    await offsets.commit(records(A, 4, 5))
    assert consumer.committed == []
    await eventually_commits(consumer, [{A: 6}])


async def test_the_next_commit_brings_what_an_earlier_one_could_not(consumer: Consumer) -> None:
    consumer.faults = [GroupCoordinatorNotAvailableError()]
    offsets = Offsets(lambda: consumer)
    await offsets.commit(records(A, 4))
    await offsets.commit(records(B, 7))
    assert consumer.committed == [{A: 5, B: 8}]
    await offsets.commit(records(A, 5))
    assert consumer.committed[1:] == [{A: 6}], "and nothing twice"


async def test_after_a_rebalance_nothing_is_insisted_upon(consumer: Consumer) -> None:
    consumer.faults = [GroupCoordinatorNotAvailableError(), CommitFailedError()]
    offsets = Offsets(lambda: consumer)
    await offsets.commit(records(A, 4))
    consumer.assigned = {B}
    await offsets.commit(records(B, 7))  # A is another's now; and B is refused
    await offsets.commit(records(B, 8))
    assert consumer.committed == [{B: 9}]


def test_silence_is_counted_from_the_last_answer_of_the_partition_that_is_silent_longest(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(broker, "monotonic", lambda: now)
    listening = Listening(lambda: consumer)
    assert listening() == 0, "nothing was ever fetched"
    consumer.polled = {A: 1, B: 1}
    assert listening() == 0
    now = 100.5
    consumer.polled[A] = 2
    assert listening() == 0.5
    now = 103.0
    consumer.polled[A] = 3
    assert listening() == 3.0
    consumer.assigned = {A}
    assert listening() == 0
    assert Listening(lambda: None)() == 0, "not started yet"
