"""How far a group has come is told to Kafka in the end, and known here."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, GroupCoordinatorNotAvailableError

from amanah_chassis import reading, service
from amanah_chassis.reading import Offsets, Reading

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


class Consumer:
    """Takes commits, or raises what it is told to raise."""

    def __init__(self) -> None:
        self.assigned = {A, B}
        self.faults: list[Exception] = []
        self.committed: list[dict[TopicPartition, int]] = []
        self.polled: dict[TopicPartition, int | None] = {A: None, B: None}
        self.at, self.ends = {A: 0, B: 0}, {A: 0, B: 0}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self.polled[partition]

    async def position(self, partition: TopicPartition) -> int:
        return self.at[partition]

    def highwater(self, partition: TopicPartition) -> int:
        return self.ends[partition]

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.committed.append(offsets)


def records(partition: TopicPartition, *offsets: int) -> list[Any]:
    return [SimpleNamespace(topic=partition.topic, partition=partition.partition, offset=offset) for offset in offsets]


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    monkeypatch.setattr(reading, "COMMIT_PAUSE", 0.001)
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


async def test_all_is_known_up_to_the_last_fetch_after_which_nothing_was_left(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(reading, "time", lambda: now)
    known = Reading(lambda: consumer)
    assert await known.unread_for() == 0, "just assigned"
    now = 101.0
    consumer.polled, consumer.at, consumer.ends = {A: 100_900, B: 100_900}, {A: 5, B: 0}, {A: 5, B: 0}
    assert await known.unread_for() == pytest.approx(0.1)
    consumer.polled[A], consumer.ends[A] = 101_000, 8  # three have come and lie in the buffer
    now = 101.4
    consumer.polled[B] = 101_400
    assert await known.unread_for() == pytest.approx(0.5), "since the fetch before"
    async with known.applying():
        consumer.at[A] = 8  # handed over, not applied
        now = 101.6
        assert await known.unread_for() == pytest.approx(0.7)
    assert await known.unread_for() == pytest.approx(0.6), "up to the fetch that brought them"
    consumer.assigned = {B}
    assert await known.unread_for() == pytest.approx(0.2)
    consumer.assigned = set()
    assert await known.unread_for() == 0
    assert await Reading(lambda: None).unread_for() == 0, "not started yet"


async def test_a_broker_that_stands_still_is_noticed(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "time", lambda: 103.0)
    consumer.polled, consumer.at, consumer.ends = {A: 103_000, B: 100_500}, {A: 5, B: 0}, {A: 5, B: 0}
    assert await Reading(lambda: consumer).unread_for() == 2.5


async def test_a_reader_that_does_nothing_and_fetches_nothing_is_stalled_and_one_at_work_is_not(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(reading, "time", lambda: now)
    known = Reading(lambda: consumer)
    consumer.polled, consumer.at, consumer.ends = {A: 100_000, B: 100_000}, {A: 5, B: 0}, {A: 9, B: 0}
    assert await known.stalled_for() == 0
    now = 130.0
    async with known.applying():  # the database was away for long
        assert await known.stalled_for() == 0
    assert await known.stalled_for() == 0, "it has just worked"
    now = 150.0
    assert await known.stalled_for() == 20
    consumer.polled, consumer.at = {A: 149_900, B: 149_900}, {A: 9, B: 0}
    assert await known.stalled_for() == pytest.approx(0.1)


LONG, DEAD = 100.0, service.STALLED_LOOKS


@pytest.mark.parametrize(
    ("stalled", "answers", "ends"),
    [
        ([4.0] * 2 * DEAD, True, False),
        ([LONG, 0.0] * DEAD, True, False),  # frozen again and again, and reading in between
        ([LONG] * (DEAD - 1), True, False),
        ([LONG] * 2 * DEAD, False, False),  # Kafka is away
        ([LONG] * DEAD, True, True),
        ([LONG, 0.0] + [LONG] * DEAD, True, True),
    ],
)
async def test_a_process_whose_reader_has_died_ends_unless_kafka_is_away(
    stalled: list[float], answers: bool, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(stalled)

    async def stalled_for() -> float:
        look = next(looks, None)
        if look is None:
            raise asyncio.CancelledError
        return look

    async def ping(timeout: float) -> bool:
        return answers

    async def at_once(_: float) -> None:
        return

    monkeypatch.setattr(service.asyncio, "sleep", at_once)
    watch = service._watch_reading(SimpleNamespace(stalled_for=stalled_for), SimpleNamespace(ping=ping))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError if ends else asyncio.CancelledError):
        await watch
    assert next(looks, None) is None
