"""What `bench recalculate` finds in Kafka: which clocks were said to be moved, and when single deadlines were said."""

import json
from uuid import UUID

from confluent_kafka import Consumer, TopicPartition

from amanah.bench.recalculate_figures import Said
from amanah_contracts.sla_monitor import DeadlineBreached, DeadlineRecalculated

TOPIC = DeadlineRecalculated.topic
RECALCULATED = DeadlineRecalculated.type().encode()
BREACHED = DeadlineBreached.type().encode()


def _consumer(kafka: str) -> Consumer:
    settings = {
        "bootstrap.servers": kafka,
        "group.id": "bench-recalculate",
        "enable.auto.commit": False,
        "log_level": 0,
    }
    return Consumer(settings)


def ends(kafka: str) -> list[TopicPartition]:
    """Where the topic ends by now."""
    reader = _consumer(kafka)
    partitions = [TopicPartition(TOPIC, p) for p in reader.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions]
    for partition in partitions:
        partition.offset = reader.get_watermark_offsets(partition, timeout=10)[1]
    reader.close()
    return partitions


def read(kafka: str, since: list[TopicPartition]) -> Said:
    """All that has come since; the outbox must be empty by now."""
    reader, said = _consumer(kafka), Said()
    reader.assign(since)
    while messages := reader.consume(5000, timeout=5.0):
        for message in messages:
            if message.error() is None:
                kind, case = dict(message.headers() or ())["ce_type"], UUID((message.key() or b"").decode())
                if kind == RECALCULATED:
                    said.recalculated[case, json.loads(message.value() or b"{}")["stage"]] += 1
                    said.last_ms = max(said.last_ms, message.timestamp()[1])
                elif kind == BREACHED:
                    said.breached.setdefault(case, message.timestamp()[1])
    reader.close()
    return said
