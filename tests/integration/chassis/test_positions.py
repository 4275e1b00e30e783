"""Order and once: duplicates have no effect, gaps wait, an event that nobody handles still counts."""

import asyncio
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY
from tests.support.ledger_service import DAY, Ledger, Writer, at_work, record, until


async def test_duplicates_are_dropped_within_a_batch_and_across_batches(ledger: Ledger) -> None:
    subject = uuid4()
    once, again = record(ledger.topic, subject, 1, "1", 1), record(ledger.topic, subject, 1, "1", 2)
    await ledger.consumer.apply([once, again])
    await ledger.consumer.apply([once, record(ledger.topic, subject, 2, "2", 3)])
    assert await ledger.effects() == ["1", "2"]
    assert outcome(ledger, "duplicate") == 2
    assert outcome(ledger, "handled") == 2


async def test_what_is_behind_a_gap_waits_and_follows_in_order(ledger: Ledger) -> None:
    subject, other = uuid4(), uuid4()
    await ledger.consumer.apply(
        [
            record(ledger.topic, subject, 4, "4", 1),
            record(ledger.topic, subject, 2, "2", 2),
            record(ledger.topic, other, 1, "other", 3),
            record(ledger.topic, subject, 3, "3", 4),
        ]
    )
    assert await ledger.effects() == ["other"]
    assert len(await ledger.rows("select from chassis_parked")) == 3
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "1", 5)])
    assert await ledger.effects(subject) == ["1", "2", "3", "4"]
    assert await ledger.rows("select from chassis_parked") == []


async def test_a_gap_filled_by_another_process_is_swept(ledger: Ledger) -> None:
    subject = uuid4()
    await ledger.consumer.apply([record(ledger.topic, subject, 2, "2", 2)])
    async with at_work(ledger.kafka, ledger.dsn, ledger.topic) as other:
        other.consumer._applying.parked_possible = False  # it has looked before anything was set aside
        await other.consumer.apply([record(ledger.topic, subject, 1, "1", 1)])
    assert await ledger.effects() == ["1"]
    await ledger.consumer.sweep()
    assert await ledger.effects() == ["1", "2"]


async def test_an_event_without_a_handler_leaves_no_gap(ledger: Ledger) -> None:
    """A service consumes some of a source's events; the others must not make the next one look early."""
    subject = uuid4()
    passed = record(ledger.topic, subject, 1, "", 1, ce_type=b"thing.passed.v1")
    await ledger.consumer.apply([passed, record(ledger.topic, subject, 2, "2", 2)])
    assert await ledger.effects() == ["2"]
    assert outcome(ledger, "skipped") == 1
    await ledger.consumer.apply([record(ledger.topic, subject, 4, "4", 4)])
    await ledger.consumer.apply([record(ledger.topic, subject, 3, "", 3, ce_type=b"thing.passed.v1")])
    assert await ledger.effects() == ["2", "4"]
    assert await ledger.rows("select from chassis_parked") == []


async def test_a_delivery_that_its_handler_sets_aside_holds_its_stream_and_no_other(ledger: Ledger) -> None:
    subject, other = uuid4(), uuid4()
    ledger.book.early = {"2"}
    await ledger.consumer.apply(
        [record(ledger.topic, subject, seq, str(seq), seq) for seq in (1, 2, 3)]
        + [record(ledger.topic, other, 1, "other", 9)]
    )
    assert sorted(await ledger.effects()) == ["1", "other"]
    [position] = await ledger.rows("select seq from chassis_position where subject = $1", subject)
    assert position["seq"] == 1
    ledger.book.early.clear()
    # A fact of another source about the same subject arrives, and everything that waited follows.
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "fact", 10, ce_source=b"amanah.elsewhere")])
    assert await ledger.effects(subject) == ["1", "fact", "2", "3"]


async def test_two_consumers_given_the_same_records_have_one_effect(ledger: Ledger) -> None:
    """As after a rebalance that was noticed late."""
    subjects = [uuid4() for _ in range(50)]
    records = [
        record(ledger.topic, s, seq, f"{s}-{seq}", seq * 1000 + n) for seq in (1, 2, 3) for n, s in enumerate(subjects)
    ]
    async with at_work(ledger.kafka, ledger.dsn, ledger.topic) as other:
        await asyncio.gather(ledger.consumer.apply(records), other.consumer.apply(records))
    assert sorted(await ledger.effects()) == sorted(f"{s}-{seq}" for s in subjects for seq in (1, 2, 3))
    assert await ledger.letters() == []


async def test_offsets_are_committed_after_the_effect_and_explicitly(ledger: Ledger, writer: Writer) -> None:
    subject = uuid4()
    group = f"test.{ledger.topic}"
    for seq in range(1, 11):
        writer.good(subject, seq, str(seq))
    writer.flush()
    async with ledger.consuming(group=group):
        await until(lambda: committed(ledger, group, 10))
    assert await ledger.effects() == [str(seq) for seq in range(1, 11)]


async def test_a_consumer_that_dies_between_effect_and_offset_has_no_second_effect(
    ledger: Ledger, writer: Writer
) -> None:
    subject, group = uuid4(), f"test.{ledger.topic}"
    for seq in range(1, 11):
        writer.good(subject, seq, str(seq))
    writer.flush()

    apply, committed_once = ledger.consumer.apply, asyncio.Event()

    async def apply_and_hang(records: object) -> None:
        await apply(records)  # type: ignore[arg-type]
        committed_once.set()
        await asyncio.Event().wait()

    ledger.consumer.apply = apply_and_hang  # type: ignore[method-assign]
    async with ledger.consuming(group=group):
        await asyncio.wait_for(committed_once.wait(), 20)
    assert await ledger.effects() == [str(seq) for seq in range(1, 11)]
    assert not await committed(ledger, group, 1)

    ledger.consumer.apply = apply  # type: ignore[method-assign]
    async with ledger.consuming(group=group):
        await until(lambda: committed(ledger, group, 10))
    assert await ledger.effects() == [str(seq) for seq in range(1, 11)]
    assert outcome(ledger, "duplicate") == 10


async def test_lag_is_the_age_of_the_newest_record_at_its_commit(ledger: Ledger) -> None:
    await ledger.consumer.apply([record(ledger.topic, uuid4(), 1, "1")])
    lag = REGISTRY.get_sample_value("amanah_consumer_lag_seconds", {"topic": ledger.topic})
    age = ((await ledger.chassis.clock.read()).now - DAY).total_seconds()
    assert lag is not None
    assert abs(lag - age) < 60


async def committed(ledger: Ledger, group: str, at_least: int) -> bool:
    reader = AIOKafkaConsumer(bootstrap_servers=ledger.kafka, group_id=group, enable_auto_commit=False)
    await reader.start()
    try:
        offset = await reader.committed(TopicPartition(ledger.topic, 0))
    finally:
        await reader.stop()
    return offset is not None and offset >= at_least


def outcome(ledger: Ledger, name: str) -> float:
    return REGISTRY.get_sample_value("amanah_records_total", {"topic": ledger.topic, "outcome": name}) or 0.0
