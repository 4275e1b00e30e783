"""Lanes: from rows of the outbox to Kafka's records, in order for each partition, and from those to batches."""

import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaProducer

from amanah_chassis import telemetry

Header = tuple[str, bytes]
Lane = tuple[str, int]
"""A topic and a partition: within it, order is kept."""


class Record(NamedTuple):
    """A row of the outbox, as Kafka gets it."""

    id: int
    subject: str
    key: bytes
    value: bytes
    headers: list[Header]


def records(rows: Iterable[asyncpg.Record], source: bytes) -> Iterator[tuple[str, Record]]:
    """Each with its topic, in the order of the rows. What the copies of an event share is made once."""
    last, key, shared = "", b"", list[Header]()
    for number, event_id, topic, subject, kind, seq, traceparent, value, created_at in rows:
        if event_id != last:
            last, key = event_id, subject.encode()
            shared = _shared_headers(event_id, source, key, kind, created_at)
        headers = [*shared, ("ce_sequence", b"%d" % seq), *_trace(kind, traceparent)]
        yield topic, Record(number, subject, key, value, headers)


def _shared_headers(event_id: str, source: bytes, subject: bytes, kind: str, created_at: datetime) -> list[Header]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source),
        ("ce_type", kind.encode()),
        ("ce_time", created_at.isoformat().encode()),
        ("ce_subject", subject),
        ("content-type", b"application/json"),
    ]


def _trace(kind: str, traceparent: str | None) -> list[Header]:
    if telemetry.enabled():
        with telemetry.span(f"publish {kind}", traceparent) as onward:
            traceparent = onward
    return [("traceparent", traceparent.encode())] if traceparent else []


def partition(key: bytes, count: int) -> int:
    """Where all records of a subject lie on a topic: CRC-32 of the key, as librdkafka's `consistent` partitioner has it."""
    return zlib.crc32(key) % count


def batches(
    producer: AIOKafkaProducer, sending: Iterable[Record], most: int | None
) -> Iterator[tuple[Any, list[Record]]]:
    """The records in order, in closed batches of at most `most` bytes; a record that is larger has one for itself."""
    batch, lot = producer.create_batch(), list[Record]()
    for record in sending:
        fits = not (most and lot) or batch.size() + len(record.value) <= most
        taken = fits and batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
        if not taken:
            batch.close()
            yield batch, lot
            batch, lot = producer.create_batch(), []
            batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
        lot.append(record)
    batch.close()
    yield batch, lot
