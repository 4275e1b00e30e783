"""`./amanah verify` on what a real replay left: it finds nothing, and everything that somebody changes behind its back.

The servers run without the services, so nobody repairs or repeats what a test does. Databases and files are put right again
after each test; what Kafka has taken it keeps, so those tests come last.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.e2e.support import LOG, Ended, replay, verify
from tests.support.process import sql
from tests.support.raw_headers import batch_with_raw_header
from tests.support.stack import Embedded
from tests.support.up import folder

from amanah import project
from amanah.embedded.stack import Options, Stack


class Left(Embedded):
    """The servers of a stack that was stopped, on its own data."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.data = data
        self.stack = Stack(data, project.pack("nyc311"), Options(start_services=False, sinks=False))

    def sql(self, service: str, statement: str, *values: Any) -> list[Any]:
        return sql(self.stack.admin_dsn(f"amanah_{service}"), statement, *values)

    def found(self) -> dict[str, list[str]]:
        """What verify finds now, as details by check; its exit code must agree."""
        ended = verify(self.data)
        findings: dict[str, list[str]] = {}
        for finding in ended.figures["findings"]:
            findings.setdefault(finding["check"], []).append(finding["detail"])
            assert finding["check"] in ended.out
        assert ended.code == bool(findings), ended.err
        return findings


@pytest.fixture(scope="module")
def left() -> Iterator[Left]:
    """A deployment after a short replay with breaches."""
    with folder() as data:
        log = data.with_name("log.csv")
        log.write_text("".join(LOG.read_text().splitlines(keepends=True)[:60]))
        assert_sound(replay(data, log))
        servers = Left(data)
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()


def assert_sound(done: Ended) -> None:
    assert done.code == 0, done.err
    assert done.figures["breached"] > 0


def test_untouched_it_is_sound(left: Left) -> None:
    assert left.found() == {}


# -- databases -------------------------------------------------------------------------------------------------------------


@contextmanager
def without(left: Left, service: str, table: str, where: str = "true") -> Iterator[tuple[Any, ...]]:
    """One row of this table is deleted inside, and back again afterwards."""
    [row] = left.sql(service, f"select ctid::text, t.* from {table} t where {where} limit 1")
    left.sql(service, f"create table kept as select * from {table} where ctid = '{row[0]}'")
    left.sql(service, f"delete from {table} where ctid = '{row[0]}'")
    try:
        yield row[1:]
    finally:
        left.sql(service, f"insert into {table} overriding system value select * from kept")
        left.sql(service, "drop table kept")


def test_a_breach_whose_row_is_deleted(left: Left) -> None:
    with without(left, "sla_monitor", "fired") as (complaint, *_):
        found = left.found()
    assert found.keys() == {"never_fired"}
    assert str(complaint) in found["never_fired"][0]


def test_an_outbox_row_that_is_deleted(left: Left) -> None:
    where = "type = 'case.resolved.v1' and topic = 'amanah.cases'"
    with without(left, "casework", "chassis_outbox", where) as (_, event_id, *_rest):
        found = left.found()
    assert found.keys() == {"not_from_an_outbox"}
    assert f"case.resolved.v1 {event_id} at amanah.cases/" in found["not_from_an_outbox"][0]


def test_a_breach_that_was_never_sent_is_lost(left: Left) -> None:
    """As if the monitor had fired and its event had never been written."""
    complaint = "019ab000-0000-7000-8000-000000000001"
    left.sql(
        "sla_monitor",
        "insert into fired (complaint_id, stage, holder, deadline_version, threshold, due_at, detected_at)"
        " values (%s, 'resolution', 0, 1, 'due', now(), now())",
        complaint,
    )
    found = left.found()
    left.sql("sla_monitor", "delete from fired where complaint_id = %s", complaint)
    assert found.keys() == {"event_lost"}
    assert complaint in found["event_lost"][0]


PLACE = "'amanah.cases', 0, 7"
SET_ASIDE = {
    "parked": (
        'insert into chassis_parked (subject, source, seq, waiting_for, topic, partition, "offset", appended_at, headers)'
        f" values (gen_random_uuid(), 'amanah.casework', 2, 'a gap', {PLACE}, now(), '[]')",
        "delete from chassis_parked",
        "routing: waits for a gap: amanah.cases/0@7",
    ),
    "dead_letter": (
        'insert into chassis_dead_letter (topic, partition, "offset", appended_at, headers, reason, detail, dead_at)'
        f" values ({PLACE}, now(), '[]', 'no_type', '', now())",
        "delete from chassis_dead_letter",
        "routing: amanah.cases/0@7, no_type; see ./amanah dlq list",
    ),
}


@pytest.mark.parametrize("check", SET_ASIDE)
def test_what_is_set_aside(left: Left, check: str) -> None:
    put, undo, said = SET_ASIDE[check]
    left.sql("routing", put)
    found = left.found()
    left.sql("routing", undo)
    assert found == {check: [said]}


def test_an_event_that_waits_to_be_sent(left: Left) -> None:
    [(event_id,)] = left.sql(
        "routing",
        "update chassis_outbox set sent_at = null where id = (select max(id) from chassis_outbox) returning event_id",
    )
    found = left.found()
    left.sql("routing", "update chassis_outbox set sent_at = now() where sent_at is null")
    assert found.keys() == {"unsent"}
    assert str(event_id) in found["unsent"][0]


def test_a_notice_that_waits_to_be_sent(left: Left) -> None:
    [(notice,)] = left.sql(
        "notifier",
        "update notifier_delivery d set state = 'pending' where ctid = (select min(ctid) from notifier_delivery)"
        " returning to_jsonb(d)",
    )
    found = left.found()
    left.sql("notifier", "update notifier_delivery set state = 'sent' where state = 'pending'")
    assert found == {"notices_waiting": ["1 notices wait to be sent"]}, notice


# -- files -----------------------------------------------------------------------------------------------------------------


@contextmanager
def rewritten(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Iterator[None]:
    """The lines of a file are changed inside, and as before afterwards."""
    before = path.read_text()
    path.write_text("".join(json.dumps(line) + "\n" for line in change([json.loads(x) for x in before.splitlines()])))
    try:
        yield
    finally:
        path.write_text(before)


@pytest.mark.parametrize("file", ["webhooks.jsonl", "mail.jsonl"])
def test_a_notice_that_was_never_received(left: Left, file: str) -> None:
    path = left.data / "sinks" / file
    dropped = json.loads(path.read_text().splitlines()[0])["notice"]
    with rewritten(path, lambda lines: [line for line in lines if line["notice"] != dropped]):
        assert left.found() == {"notice_lost": [f"notice {dropped} was never received"]}


def test_a_notice_that_no_event_tells_of(left: Left) -> None:
    with rewritten(left.data / "sinks" / "mail.jsonl", lambda lines: [*lines, lines[0] | {"notice": "stranger"}]):
        assert left.found() == {"notice_unrecorded": ["notice stranger was received and no event says so"]}


def told(left: Left, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> AbstractContextManager[None]:
    return rewritten(left.data / "history.jsonl", change)


def test_an_acknowledged_complaint_that_nobody_knows(left: Left) -> None:
    stranger = {"source_id": "stranger", "complaint_id": "c0", "due_at": None, "closed_at": None}
    with told(left, lambda lines: [next(x for x in lines if x["op"] == "file") | stranger, *lines]):
        assert left.found() == {"acknowledged_lost": ["stranger: complaint c0 is not in Kafka"]}


def test_a_client_that_was_cut_off(left: Left) -> None:
    with told(left, lambda lines: lines[:-1]):
        assert left.found().keys() == {"history_incomplete"}


def test_a_log_that_says_otherwise(left: Left) -> None:
    """Every complaint closed at once: then every breach is unfounded."""
    with told(left, lambda lines: [x | {"closed_at": x.get("created_at")} if x["op"] == "file" else x for x in lines]):
        found = left.found()
    assert found.keys() == {"breach_unfounded"}
    assert len(found["breach_unfounded"]) == left.sql("sla_monitor", "select count(*) from fired")[0][0]


# -- Kafka, which forgets nothing ------------------------------------------------------------------------------------------


def test_a_breach_that_is_said_a_second_time_by_somebody_else(left: Left) -> None:
    original = first(left, "amanah.deadlines", b"deadline.breached.v1")
    headers = [(name, b"another" if name == "ce_id" else value) for name, value in original.headers()]
    copy = Producer({"bootstrap.servers": left.kafka})
    copy.produce("amanah.deadlines", original.value(), original.key(), headers=headers)
    assert copy.flush(30) == 0
    found = left.found()
    assert {"breached_twice", "not_from_an_outbox"} <= found.keys()
    assert original.key().decode() in found["breached_twice"][0]
    assert found["not_from_an_outbox"] == [f"deadline.breached.v1 another at amanah.deadlines/{place(left, original)}"]


async def test_rubbish_on_a_topic_of_ours_is_named_and_stops_nothing(left: Left) -> None:

    async with AIOKafkaProducer(bootstrap_servers=left.kafka) as producer:
        await producer.send_and_wait("amanah.cases", None, b"key", partition=0)
        await producer.send_and_wait("amanah.cases", b"\xff" * 10, headers=[("ce_type", b"\xff")], partition=0)
        batch = batch_with_raw_header(producer, [(b"k", b"v", [("ce_\udcff", b"x")])])
        await (await producer.send_batch(batch, "amanah.cases", partition=0))
    found = left.found()
    assert len(found["unreadable"]) == 3
    assert all(detail.startswith("amanah.cases/0@") for detail in found["unreadable"])


def first(left: Left, topic: str, ce_type: bytes) -> Any:
    consumer = Consumer({"bootstrap.servers": left.kafka, "group.id": "tampering", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        while True:
            [message] = consumer.consume(1, 10)
            if dict(message.headers() or ()).get("ce_type") == ce_type:
                return message
    finally:
        consumer.close()


def place(left: Left, original: Any) -> str:
    """Of the last record in the original's partition."""
    consumer = Consumer({"bootstrap.servers": left.kafka, "group.id": "tampering"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(original.topic(), original.partition()), 10)
        return f"{original.partition()}@{end - 1}"
    finally:
        consumer.close()
