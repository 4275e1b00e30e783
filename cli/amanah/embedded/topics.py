"""The topics a pack needs, and their creation."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from amanah.contracts import topics as contracts
from amanah.fault import Fault

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A province's agencies take a second to read without the parser in C, which some builds lack."""
_SILENT = "Kafka at {} does not answer. Start a stack with ./amanah up, or name another broker with --kafka."


@dataclass(frozen=True)
class Topic:
    """One topic as it should be."""

    name: str
    partitions: int
    settings: dict[str, str]


def agencies(pack: Path) -> list[str]:
    """The agency codes of a pack."""
    try:
        found = yaml.load((pack / "agencies.yaml").read_text(), _LOADER)["agencies"]  # noqa: S506 - both are safe loaders
        return [str(agency["code"]) for agency in found]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as fault:
        raise Fault(f"{pack / 'agencies.yaml'} cannot be read: {fault}") from None


def of(pack: Path) -> list[Topic]:
    """All topics of a deployment, as the contracts describe them; those of an agency once for each agency of the pack."""
    codes = agencies(pack)
    return [Topic(name, entry.partitions, entry.config) for entry in contracts.load() for name in entry.names(codes)]


def admin(bootstrap: str) -> Any:
    """An administration client that keeps its complaints about an absent broker to itself."""
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 10_000})


def present(bootstrap: str, patience: float = 10) -> dict[str, tuple[int, int]]:
    """Partitions and number of records of each topic there."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "amanah.topics", "log_level": 0})
    try:
        found = consumer.list_topics(timeout=patience).topics
        counts = {}
        for name, topic in found.items():
            ends = [consumer.get_watermark_offsets(TopicPartition(name, n), timeout=patience) for n in topic.partitions]
            counts[name] = (len(ends), sum(high - low for low, high in ends))
        return counts
    except KafkaException:
        raise Fault(_SILENT.format(bootstrap)) from None
    finally:
        consumer.close()


def difference(topic: Topic, partitions: int) -> str:
    """What is wrong with a topic that has so many partitions; empty if nothing is."""
    if partitions == 0:
        return "missing"
    return "" if partitions >= topic.partitions else f"should have {topic.partitions} partitions"


def create(bootstrap: str, topics: Iterable[Topic]) -> list[str]:
    """Creates those that are missing and returns their names."""
    from confluent_kafka import KafkaException
    from confluent_kafka.cimpl import NewTopic

    client = admin(bootstrap)
    try:
        present = client.list_topics(timeout=30).topics
    except KafkaException:
        raise Fault(_SILENT.format(bootstrap)) from None
    missing = [topic for topic in topics if topic.name not in present]
    if not missing:
        return []
    wanted = [NewTopic(t.name, num_partitions=t.partitions, config=t.settings) for t in missing]
    created = client.create_topics(wanted, operation_timeout=30, request_timeout=60)
    for name, outcome in created.items():
        try:
            outcome.result()
        except KafkaException as failure:
            if failure.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise Fault(f"Topic {name} could not be created: {failure.args[0].str()}") from None
    return [topic.name for topic in missing]
