"""Every record of every topic of ours, read with librdkafka, which no service uses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from amanah.fault import Fault

PREFIX = "amanah."
PATIENCE_SECONDS = 30.0
_NOTICE = ("notice_id", "about", "recipient")
_BODIES: dict[str, tuple[str, ...]] = {
    "complaint.submitted.v1": (),
    "deadline.breached.v1": ("stage", "rule", "breached_at", "detected_at"),
    "deadline.breach_withdrawn.v1": ("stage",),
    "notice.sent.v1": _NOTICE,
    "notice.failed.v1": (*_NOTICE, "reason"),
}
"""The types whose body a check looks into, and the fields, all text, that it cannot do without."""


NOT_AN_EVENT = (ValueError, KeyError, TypeError, AttributeError)
"""What reading raises for a record that somebody else made: headers and bodies from outside may be anything."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it lies in Kafka. `body` is read only for the types that a check looks into."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    type: str
    id: str
    source: str
    subject: str
    sequence: int
    body: dict[str, Any] | None

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record on a topic of ours that only services write, which is no event."""

    place: str
    reason: str


def read(kafka: str) -> tuple[list[Record], list[Unreadable]]:
    """All events up to the ends that the topics have now, in the order of each partition. The agencies' own topics of
    orders are left out: what outsiders write there may be anything. Raises Fault when Kafka does not answer."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "amanah-verify",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        partitions = _partitions(consumer)
        records: list[Record] = []
        unreadable: list[Unreadable] = []
        for message in _messages(consumer, partitions):
            try:
                records.append(_record(message))
            except NOT_AN_EVENT as wrong:
                place = f"{message.topic()}/{message.partition()}@{message.offset()}"
                unreadable.append(Unreadable(place, f"{type(wrong).__name__}: {wrong}"))
        return records, unreadable
    finally:
        consumer.close()


def _partitions(consumer: Any) -> list[TopicPartition]:
    from confluent_kafka import KafkaException

    try:
        topics = consumer.list_topics(timeout=PATIENCE_SECONDS).topics
    except KafkaException as away:
        raise Fault(f"Kafka cannot be reached: {away.args[0].str()}") from None
    found = []
    for name, topic in topics.items():
        if name.startswith(PREFIX) and not name.endswith(".replies"):
            found += [TopicPartition(name, partition, 0) for partition in topic.partitions]
    return found


def _messages(consumer: Any, partitions: list[TopicPartition]) -> Iterator[Any]:
    """Records up to the present ends."""
    consumer.assign(partitions)
    open_ends = {(p.topic, p.partition) for p in partitions}
    heard = monotonic()
    while open_ends:
        # A batch that does not fill lasts until the timeout, so this is short, and patience is counted here.
        batch = consumer.consume(10_000, timeout=0.1)
        if batch:
            heard = monotonic()
        elif monotonic() > heard + PATIENCE_SECONDS:
            raise Fault(f"Kafka did not hand over {len(open_ends)} partitions within {PATIENCE_SECONDS:.0f} s.")
        for message in batch:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                open_ends.discard((message.topic(), message.partition()))
            else:
                raise Fault(f"Kafka cannot be read: {error.str()}")


def _record(message: Any) -> Record:
    headers = dict(message.headers() or ())
    kind = headers["ce_type"].decode()
    subject = headers["ce_subject"].decode()
    if (message.key() or b"").decode() != subject:
        raise ValueError("the key is not the subject")
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        kind,
        headers["ce_id"].decode(),
        headers["ce_source"].decode(),
        subject,
        int(headers["ce_sequence"]),
        _body(message.value(), _BODIES[kind]) if kind in _BODIES else None,
    )


def _body(value: bytes, needed: tuple[str, ...]) -> dict[str, Any]:
    body = json.loads(value)
    if not isinstance(body, dict):
        raise ValueError("the body is no object")
    for name in needed:
        if not isinstance(body[name], str):
            raise ValueError(f"{name} is no text")
        if name.endswith("_at") and datetime.fromisoformat(body[name]).tzinfo is None:
            raise ValueError(f"{name} has no zone")
    return body
