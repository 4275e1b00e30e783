"""What is committed reaches Kafka: in order, once while nothing fails, and after every failure."""

import asyncio
from contextlib import suppress
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY
from tests.support.faults import Stopped, cut_connections
from tests.support.ledger_outbox import emit, relaying
from tests.support.ledger_service import DAY, Ledger, at_work, noted_on, prepare, read_all, until
from tests.support.stack import Embedded

from amanah_chassis import held_back as held_backs
from amanah_chassis import relay as relays


def told(ledger: Ledger) -> list[tuple[str, int, str]]:
    """(subject, seq, label) of each record in Kafka, in order."""
    return [
        (
            message.key().decode(),
            int(header(message, "ce_sequence")),
            noted_on("").model_validate_json(message.value()).label,
        )
        for message in read_all(ledger.kafka, ledger.topic)
    ]


def header(message: Any, name: str) -> str:
    return dict(message.headers())[name].decode()


async def unsent(ledger: Ledger) -> int:
    return int((await ledger.rows("select count(*) from chassis_outbox where sent_at is null"))[0][0])


async def all_sent(ledger: Ledger) -> bool:
    return await unsent(ledger) == 0


async def test_rows_left_by_a_crash_are_sent_in_order_of_their_subject(ledger: Ledger) -> None:
    """A process that dies between commit and send leaves rows and nothing else; the next one sends them."""
    subjects = [uuid4() for _ in range(20)]
    for round_ in range(1, 11):
        for subject in subjects:
            await emit(ledger, subject, f"{round_}")
    assert await unsent(ledger) == 200
    async with relaying(ledger.chassis):
        await until(lambda: all_sent(ledger))
    records = told(ledger)
    assert len(records) == 200
    for subject in subjects:
        assert [(seq, label) for key, seq, label in records if key == str(subject)] == [
            (n, str(n)) for n in range(1, 11)
        ]


async def test_a_rolled_back_transaction_tells_nothing(ledger: Ledger) -> None:
    event = noted_on(ledger.topic)
    with suppress(RuntimeError):
        async with ledger.chassis.transaction() as tx:
            tx.emit(event(complaint_id=uuid4(), occurred_at=DAY, received_at=DAY, label="never"))
            raise RuntimeError("changed its mind")
    await emit(ledger, uuid4(), "ever")
    async with relaying(ledger.chassis):
        await until(lambda: all_sent(ledger))
    assert [label for _, _, label in told(ledger)] == ["ever"]


async def test_the_envelope_on_the_wire(ledger: Ledger) -> None:
    subject = uuid4()
    await emit(ledger, subject, "word")
    async with relaying(ledger.chassis):
        await until(lambda: all_sent(ledger))
    [message] = read_all(ledger.kafka, ledger.topic)
    assert message.key() == str(subject).encode()
    UUID(header(message, "ce_id"))
    assert header(message, "ce_specversion") == "1.0"
    assert header(message, "ce_source") == "amanah.tests"
    assert header(message, "ce_type") == "thing.noted.v1"
    assert header(message, "ce_subject") == str(subject)
    assert header(message, "ce_sequence") == "1"
    assert header(message, "content-type") == "application/json"


async def test_two_relays_at_once_send_each_row_once(embedded: Embedded, ledger: Ledger) -> None:
    async with at_work(embedded.kafka, ledger.dsn, ledger.topic) as other, relaying(ledger.chassis, other.chassis):
        subject = uuid4()
        for n in range(200):
            await emit(ledger if n % 2 else other, subject, str(n))
        await until(lambda: all_sent(ledger))
        assert [ledger.chassis.relay.leading, other.chassis.relay.leading].count(True) == 1
    assert [(seq, label) for _, seq, label in told(ledger)] == [(n + 1, str(n)) for n in range(200)]


async def test_the_standby_takes_over_when_the_leader_ends(embedded: Embedded, ledger: Ledger) -> None:
    async with at_work(embedded.kafka, ledger.dsn, ledger.topic) as other:
        async with relaying(ledger.chassis):
            await until(lambda: ledger.chassis.relay.leading)
            async with relaying(other.chassis):
                await emit(ledger, uuid4(), "first")
                await until(lambda: all_sent(ledger))
        async with relaying(other.chassis):
            await emit(ledger, uuid4(), "second")
            await until(lambda: all_sent(ledger))
    assert [label for _, _, label in told(ledger)] == ["first", "second"]


@pytest.mark.parametrize("whose", ["its own", "another process's"])
async def test_a_commit_wakes_the_relay(whose: str, embedded: Embedded, ledger: Ledger) -> None:
    """Sending waits for no poll: the median of commit to acknowledged is far below the sweep's period."""
    async with relaying(ledger.chassis), at_work(embedded.kafka, ledger.dsn, ledger.topic) as other:
        writer = ledger if whose == "its own" else other
        await emit(writer, uuid4(), "warm")
        await until(lambda: all_sent(ledger))
        times = []
        for n in range(21):
            started = perf_counter()
            await emit(writer, uuid4(), str(n))
            await until(lambda: all_sent(ledger))
            times.append(perf_counter() - started)
    assert sorted(times)[10] < relays.SWEEP_SECONDS / 4


async def test_a_flood_is_sent_in_few_batches(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many commits of many events each: where they go to hundreds of topics, each batch costs more than what is in it."""
    batches, subject = list[int](), uuid4()
    send = relays.Relay._send_batch

    async def counted(relay: relays.Relay, db: asyncpg.Connection) -> int:
        batches.append(await send(relay, db))
        return batches[-1]

    monkeypatch.setattr(relays.Relay, "_send_batch", counted)
    async with relaying(ledger.chassis):
        await until(lambda: ledger.chassis.relay.leading)
        for commit in range(8):
            await emit(ledger, subject, *(str(commit * relays.MANY + n) for n in range(relays.MANY)))
        await until(lambda: all_sent(ledger))
    assert len([count for count in batches if count]) < 6
    assert [(seq, label) for _, seq, label in told(ledger)] == [(n + 1, str(n)) for n in range(8 * relays.MANY)]


async def test_a_producer_that_failed_for_good_is_replaced(ledger: Ledger) -> None:
    async with relaying(ledger.chassis):
        subject = uuid4()
        await emit(ledger, subject, "before")
        await until(lambda: all_sent(ledger))
        broken = ledger.chassis.relay._producer
        assert broken is not None
        # The broker will say OutOfOrderSequenceNumber, from which this producer never recovers.
        broken._txn_manager._sequence_numbers[TopicPartition(ledger.topic, 0)] += 7
        await emit(ledger, subject, "after")
        await until(lambda: all_sent(ledger))
        assert ledger.chassis.relay._producer is not broken
    assert [label for _, _, label in told(ledger)] == ["before", "after"]


async def test_the_relay_survives_its_connection_being_cut(ledger: Ledger) -> None:
    async with relaying(ledger.chassis):
        await until(lambda: ledger.chassis.relay.leading)
        await cut_connections(ledger.dsn)
        await until(lambda: emitted(ledger))
        await until(lambda: all_sent(ledger))
    assert [label for _, _, label in told(ledger)] == ["after"]


async def test_a_kafka_that_does_not_answer_delays_and_loses_nothing_and_leaves_no_producer_behind(
    embedded: Embedded, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "SEND_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(relays, "DROP_TIMEOUT_SECONDS", 0.5)
    subject = uuid4()
    async with relaying(ledger.chassis):
        await emit(ledger, subject, "before")
        await until(lambda: all_sent(ledger))
        quiet = senders()
        with Stopped(embedded.stack.pid("kafka")):
            await emit(ledger, subject, "meanwhile")
            await until(lambda: ledger.chassis.relay._pause >= 0.4)  # it has begun anew once at least
            assert await unsent(ledger) == 1
        await until(lambda: all_sent(ledger), at_most=60)
        await until(lambda: senders() == quiet, at_most=5)
    labels = [label for _, _, label in told(ledger)]
    assert list(dict.fromkeys(labels)) == ["before", "meanwhile"]  # a send that was not acknowledged may be doubled


async def test_a_relay_ends_when_told_even_while_kafka_does_not_answer(embedded: Embedded, ledger: Ledger) -> None:
    task = asyncio.create_task(ledger.chassis.relay.run())
    await emit(ledger, uuid4(), "before")
    await until(lambda: all_sent(ledger))
    with Stopped(embedded.stack.pid("kafka")):
        await emit(ledger, uuid4(), "unheard")
        await until(
            lambda: any(part.get_coro().__qualname__ == "Sender._send_produce_req" for part in asyncio.all_tasks())
        )
        task.cancel()
        async with asyncio.timeout(9):  # a supervisor waits for ten seconds
            await asyncio.gather(task, return_exceptions=True)
    assert task.done()


# -- what Kafka does not take --------------------------------------------------------------------------------------------


def held_back(reason: str) -> float:
    return REGISTRY.get_sample_value("amanah_outbox_held_back", {"reason": reason}) or 0.0


async def test_a_topic_that_is_missing_holds_nothing_else_up_and_is_served_once_it_is_there(
    embedded: Embedded, ledger: Ledger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(held_backs.RETRY_SECONDS, held_backs.NO_TOPIC, 0.2)
    missing, subject = f"test.{uuid4().hex}", uuid4()
    async with relaying(ledger.chassis):
        for label in ("1", "2"):
            async with ledger.chassis.transaction() as tx:
                for topic in (missing, ledger.topic):
                    tx.emit(noted_on(topic)(complaint_id=subject, occurred_at=DAY, received_at=DAY, label=label))
        await until(lambda: waiting_on(ledger, [missing, missing]))
        assert [label for _, _, label in told(ledger)] == ["1", "2"]
        await until(lambda: held_back("no_such_topic") == 1)
        embedded.topic(missing)
        await until(lambda: all_sent(ledger))
    assert [header(message, "ce_sequence") for message in read_all(ledger.kafka, missing)] == ["1", "3"]
    assert [
        line.message for line in caplog.records if line.levelname == "ERROR" and line.name.startswith("amanah")
    ] == ["events are held back"]


@pytest.mark.parametrize("limit", ["ours", "the topic's own"])
async def test_behind_an_event_that_is_too_large_only_its_own_stream_waits(
    limit: str, embedded: Embedded, database: str
) -> None:
    own = {"max_message_bytes": "4000000" if limit == "ours" else "3000"}
    size = {"ours": relays.LARGEST, "the topic's own": 4000}[limit]
    topic = embedded.topic(**own)
    await prepare(database)
    async with at_work(embedded.kafka, database, topic) as ledger:
        big, other = uuid4(), uuid4()
        await emit(ledger, big, "1")
        await emit(ledger, other, "1")
        await emit(ledger, big, "x" * size)
        await emit(ledger, big, "3")
        await emit(ledger, other, "2")
        async with relaying(ledger.chassis):
            await until(lambda: waiting_on(ledger, [topic, topic]))
            await emit(ledger, other, "3")
            await emit(ledger, big, "4")
            await until(lambda: waiting_on(ledger, [topic] * 3))
            assert held_back("too_large") == 1
        records = [(key, label) for key, _, label in dict.fromkeys(told(ledger))]  # a new producer may double
    assert [label for key, label in records if key == str(other)] == ["1", "2", "3"]
    assert [label for key, label in records if key == str(big)] == ["1"]


@pytest.mark.parametrize(("sizes", "taken"), [([60] * 6, 6), ([60, 150, 60, 60], 1)])
async def test_behind_a_batch_that_is_too_large_nothing_of_its_stream_is_sent(
    sizes: list[int], taken: int, embedded: Embedded, database: str
) -> None:
    """Four events are a batch, and Kafka takes two: what comes after a batch must not be there before it."""
    topic = embedded.topic(max_message_bytes="140000")
    await prepare(database)
    async with at_work(embedded.kafka, database, topic) as ledger:
        labels = [str(n).ljust(size * 1000 - 1000, "x") for n, size in enumerate(sizes)]
        await emit(ledger, uuid4(), *labels)
        async with relaying(ledger.chassis):
            await until(lambda: waiting_on(ledger, [topic] * (len(sizes) - taken)))
            await until(lambda: bool(ledger.chassis.relay._held) == (taken < len(sizes)))
        assert [(seq, label) for _, seq, label in told(ledger)] == list(enumerate(labels[:taken], 1))


async def waiting_on(ledger: Ledger, topics: list[str]) -> bool:
    """Whether exactly these topics have something unsent, once for each row."""
    rows = await ledger.rows("select topic from chassis_outbox where sent_at is null order by id")
    return [row["topic"] for row in rows] == topics


async def emitted(ledger: Ledger) -> bool:
    """A connection that was cut is noticed by whoever uses it first."""
    try:
        await emit(ledger, uuid4(), "after")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    return True


def senders() -> int:
    """Parts of producers at work in this process."""
    parts = ("Sender._", "MessageAccumulator.")
    return sum(task.get_coro().__qualname__.startswith(parts) for task in asyncio.all_tasks())
