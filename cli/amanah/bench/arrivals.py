"""What came to agencies' topics, read only afterwards: a reader would take its share of the cores."""

import time
from collections.abc import Collection, Sequence
from uuid import UUID

from confluent_kafka import Consumer, TopicPartition

from amanah_contracts.routing import ComplaintRouted

ROUTED = ComplaintRouted.type().encode()
PATIENCE = 60.0


def at_the_end(kafka: str, prefix: str, codes: Sequence[str]) -> Consumer:
    """Stands at the end of each agency's topic and reads nothing yet."""
    reader = Consumer(
        {"bootstrap.servers": kafka, "group.id": "bench-arrivals", "enable.auto.commit": False, "log_level": 0}
    )
    partitions = [TopicPartition(f"{prefix}.agency.{code}", 0) for code in codes]
    for partition in partitions:
        partition.offset = reader.get_watermark_offsets(partition, timeout=10)[1]
    reader.assign(partitions)
    reader.pause(partitions)
    return reader


def read(reader: Consumer, expected: Collection[UUID]) -> dict[UUID, int]:
    """The broker's stamp of each complaint as it came to its agency. Raises when one did not come."""
    reader.resume(reader.assignment())
    stamps: dict[UUID, int] = {}
    began = time.monotonic()
    while not stamps.keys() >= set(expected) and time.monotonic() - began < PATIENCE:
        for message in reader.consume(5000, timeout=1.0):
            if message.error() is None and dict(message.headers() or ())["ce_type"] == ROUTED:
                stamps.setdefault(UUID((message.key() or b"").decode()), message.timestamp()[1])
    reader.close()
    if missing := set(expected) - stamps.keys():
        raise AssertionError(f"{len(missing)} of {len(expected)} complaints never came to their agency's topic")
    return stamps
