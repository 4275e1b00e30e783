"""Evidence from where it lies: Kafka by librdkafka, the databases by plain SQL, the receivers' ledgers, logs, metrics."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

from amanah.embedded.stack import Stack
from amanah.faultlab.model import Kept, Notice, Record, Rows
from amanah.verify import books, records

LEDGER = "select topic, event_id::text, type, subject::text, seq, value from chassis_outbox where sent_at is not null"
SEARCHED = {
    "chassis_dead_letter": "select topic || '/' || partition || '@' || \"offset\", value, detail from chassis_dead_letter",
    "chassis_outbox": "select event_id::text, value, '' from chassis_outbox",
}
"""Tables that keep what travels: each row is searched for people."""


@dataclass(frozen=True)
class Found:
    """The checker's arguments, but for the history."""

    kafka: list[Record]
    rows: Rows
    notices: list[Notice]
    logs: Mapping[str, str]


def gather(stack: Stack, earlier: Sequence[Record] = ()) -> Found:
    """The databases first and Kafka after them, so that what a database calls sent must be there. `earlier`: what Kafka had
    before it lost all of it."""
    logs = _metrics(stack)
    rows = _rows(stack)
    life = max((record.life + 1 for record in earlier), default=0)
    kafka = [*earlier, *dump(stack.kafka, life=life)]
    for file in (*stack.log("x").parent.glob("*.log*"), *stack.data.glob("traces-*.jsonl")):
        logs[file.name] = file.read_text(errors="replace")
    return Found(kafka, rows, _notices(stack.data / "sinks"), logs)


def dump(kafka: str, topics: str = records.PREFIX, life: int = 0) -> list[Record]:
    """Every record of every topic with this prefix, also of those where outsiders write."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "fault-lab-dump",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
    )
    try:
        known = consumer.list_topics(timeout=records.PATIENCE_SECONDS).topics
        wanted = [
            TopicPartition(name, n, 0)
            for name, topic in known.items()
            if name.startswith(topics)
            for n in topic.partitions
        ]
        return [_record(message, life) for message in records._messages(consumer, wanted)]
    finally:
        consumer.close()


def _record(message: Any, life: int) -> Record:
    headers = [(name, value or b"") for name, value in message.headers() or ()]
    key, value = message.key() or b"", message.value() or b""
    text = b"\n".join((key, *(name.encode() + b": " + of for name, of in headers), value)).decode(errors="replace")
    place = (message.topic(), message.partition(), message.offset(), message.timestamp()[1])
    try:
        named = {name: of.decode() for name, of in headers}
        body = json.loads(value)
        if not isinstance(body, dict):
            return Record(*place, "", "", "", key.decode(), 0, {}, text, life)
        return Record(
            *place, named["ce_type"], named["ce_id"], named.get("ce_source", ""), key.decode(),
            int(named.get("ce_sequence", 0)), body, text, life,
        )  # fmt: skip
    except (ValueError, KeyError):
        return Record(*place, "", "", "", key.decode(errors="replace"), 0, {}, text, life)


def _rows(stack: Stack) -> Rows:
    dsns = {name: stack.dsn(name) for name in stack.options.services}
    kept = books.read(dsns)
    texts: dict[str, str] = {}
    ledger: dict[tuple[str, str], Kept] = {}
    for service, dsn in dsns.items():
        with psycopg.connect(dsn) as db:
            for topic, event, kind, subject, sequence, body in db.execute(LEDGER):
                ledger[topic, event] = Kept(kind, subject, sequence, json.loads(body))
            for table, sql in SEARCHED.items():
                for name, value, detail in db.execute(sql):
                    texts[f"{service} {table} {name}"] = (value or b"").decode(errors="replace") + detail
    with psycopg.connect(dsns["intake"]) as db:
        filed = db.execute("select id::text, extract(epoch from submitted_at)::float8 * 1000 from intake_complaint")
        committed: dict[str, float] = dict(filed.fetchall())
    return Rows(
        complaints=kept.complaints,
        committed_ms=committed,
        ledger=ledger,
        unsent=[f"{service}: {event} for {topic}" for service, event, topic in kept.unsent],
        parked=[f"{service}: {what}" for service, what in kept.parked],
        dead=[(place, f"{service}: {reason}") for service, place, reason in kept.dead],
        waiting_notices=kept.waiting_notices,
        texts=texts,
    )


def _notices(sinks: Path) -> list[Notice]:
    found = []
    for line in (sinks / "webhooks.jsonl").read_text().splitlines():
        entry = json.loads(line)
        body = json.loads(entry["body"])
        found.append(Notice(entry["notice"], entry["path"], body["complaint_id"], body["type"]))
    for line in (sinks / "mail.jsonl").read_text().splitlines():
        entry = json.loads(line)
        found += [Notice(entry["notice"], who, entry["complaint_id"], entry["event"]) for who in entry["recipients"]]
    return found


def _metrics(stack: Stack) -> dict[str, str]:
    """Each service's page of metrics as it is now; one that does not answer has none."""
    pages = {}
    for service in stack.options.services:
        with suppress(OSError), urllib.request.urlopen(f"{stack.url(service)}/metrics", timeout=5) as answer:  # noqa: S310
            pages[f"metrics {service}"] = answer.read().decode()
    return pages


def counted(page: str, metric: str, **labels: str) -> float:
    """The sum of a counter on a page of metrics, over the labels that are not named."""
    total = 0.0
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        if name.partition("{")[0] == metric and all(f'{key}="{of}"' in name for key, of in labels.items()):
            total += float(value)
    return total
