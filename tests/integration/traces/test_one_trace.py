"""One trace from an HTTP request through the headers of Kafka to the last effect, with nothing personal in it."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.support.stack import Embedded
from tests.support.up import folder, until

from amanah import project
from amanah.embedded.services import SERVICES
from amanah.embedded.stack import Options, Stack

PERSONAL = {
    "name": "Warga Contoh",
    "nik": "6371010101900001",
    "phone": "+62 812 3456 7890",
    "email": "warga.contoh@example.invalid",
    "address": "Jalan Contoh 7",
}
NARRATIVE = "The light before house 7 is dark; call +62 812 3456 7890."
TRACE = secrets.token_hex(16)
TRACEPARENT = f"00-{TRACE}-{secrets.token_hex(8)}-01"


class Traced(Embedded):
    """All services, each writing its spans to one file."""

    def __init__(self, data: Path, traces: Path) -> None:
        super().__init__(data)
        self.traces = traces
        self.stack = Stack(data, project.pack("nyc311"), Options(environment={"AMANAH_TRACES_FILE": str(traces)}))

    def spans(self) -> list[dict[str, Any]]:
        """Those of our trace, as far as they are written by now."""
        text = self.traces.read_text() if self.traces.exists() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [span for span in map(json.loads, lines) if span["trace_id"] == TRACE]

    def names(self, service: str) -> set[str]:
        return {span["name"] for span in self.spans() if span["service"] == f"amanah.{service}"}


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    """After one complaint, filed by a citizen's client that traces, was routed and its citizen told."""
    with folder() as data:
        running = Traced(data, data.with_name("traces.jsonl"))
        try:
            running.start()
            file(running)
            until(lambda: "publish notice.sent.v1" in running.names("notifier"), 60)
            until(lambda: "publish deadline.started.v1" in running.names("sla_monitor"), 30)
            until(lambda: running.names("casework"), 30)
            until(lambda: "publish complaint.routed.v1" in running.names("routing"), 30)  # each writes in its own time
            until(lambda: "POST /complaints" in running.names("intake"), 30)
            yield running
        finally:
            running.stop()


def file(running: Traced) -> None:
    answer = httpx.post(
        f"{running.stack.url('intake')}/complaints",
        headers={
            "Idempotency-Key": secrets.token_hex(8),
            "traceparent": TRACEPARENT,
            "Authorization": f"Bearer {running.stack.token()}",
        },
        json={
            "category": "Street Light Condition",
            "narrative": NARRATIVE,
            "agency_named": "DOT",
            "channel": "import",
            "given_due_at": "2099-01-01T00:00:00Z",
            "identity": PERSONAL,
        },
    )
    assert answer.status_code == 201, answer.text


def test_every_service_worked_below_the_clients_own_span(traced: Traced) -> None:
    assert {name: bool(traced.names(name)) for name in SERVICES} == dict.fromkeys(SERVICES, True)
    assert "POST /complaints" in traced.names("intake")
    for service in ("routing", "sla_monitor", "notifier"):
        assert "process complaint.submitted.v1" in traced.names(service)
    for service in ("casework", "sla_monitor", "notifier"):
        assert "process complaint.routed.v1" in traced.names(service)


def test_every_span_hangs_below_another_of_the_trace(traced: Traced) -> None:
    """None is lost on the way, so that a reader sees one tree."""
    spans = traced.spans()
    known = {span["span_id"] for span in spans} | {TRACEPARENT.split("-")[2]}
    assert [span["name"] for span in spans if span["parent_id"] not in known] == []


def test_every_record_in_kafka_carries_the_trace(traced: Traced) -> None:
    records = read_all(traced.kafka)
    kinds = {dict(record.headers())["ce_type"].decode() for record in records}
    assert kinds >= {"complaint.submitted.v1", "complaint.routed.v1", "deadline.started.v1", "notice.sent.v1"}
    for record in records:
        assert TRACE in dict(record.headers())["traceparent"].decode(), (record.topic(), record.headers())


def test_nothing_personal_is_in_any_span(traced: Traced) -> None:
    text = traced.traces.read_text()
    assert text.count("\n") > len(SERVICES)
    hidden = [*PERSONAL.values(), NARRATIVE, "812 3456", "81234567890", traced.stack.token()]
    assert [value for value in hidden if value in text] == []


def read_all(kafka: str) -> list[Any]:
    """Every record of the owners' topics and audiences."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": secrets.token_hex(4), "auto.offset.reset": "earliest"})
    try:
        known = consumer.list_topics(timeout=10).topics
        topics = {name: topic for name, topic in known.items() if name.startswith("amanah.")}
        ends = {(name, number): 0 for name, topic in topics.items() for number in topic.partitions}
        for name, number in ends:
            ends[name, number] = consumer.get_watermark_offsets(TopicPartition(name, number), 10)[1]
        consumer.assign([TopicPartition(name, number, 0) for name, number in ends])
        found: list[Any] = []
        until(lambda: found.extend(consumer.consume(100, 0.2)) or len(found) >= sum(ends.values()), 30)
        return found
    finally:
        consumer.close()
