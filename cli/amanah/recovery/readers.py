"""Where the services' consumer groups begin to read. It can only be moved while nobody is in the group."""

from collections.abc import Collection
from time import monotonic, sleep
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from amanah.embedded.topics import admin
from amanah.fault import Fault

SESSIONS_SECONDS = 30.0
"""A killed member is in its group until its session ends."""


def to_the_beginning(kafka: str, services: Collection[str], topics: Collection[str] | None = None) -> int:
    """Of these topics, or of all that they read, the services will read everything again, and drop what they have applied.
    Answers how many partitions had to be moved; where nothing was committed, they begin at the earliest anyway. Raises
    Fault when somebody still reads."""
    client, moved = admin(kafka), 0
    for group in (group for service in services for group in (f"amanah.{service}", f"amanah.{service}.orders")):
        back = [
            TopicPartition(at.topic, at.partition, 0)
            for at in committed(client, group)
            if topics is None or at.topic in topics
        ]
        if back:
            move(client, group, back)
            moved += len(back)
    return moved


def committed(client: Any, group: str) -> list[TopicPartition]:
    """Where a group will go on, where that is not the beginning."""
    deadline = monotonic() + SESSIONS_SECONDS
    while True:
        try:
            [future] = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
            return [at for at in future.result().topic_partitions if at.offset > 0]
        except KafkaException as not_yet:  # a broker that has just begun first makes the topic of all offsets
            if not_yet.args[0].name() == "GROUP_ID_NOT_FOUND":
                return []
            if monotonic() > deadline:
                raise Fault(f"The offsets of {group} cannot be read: {not_yet.args[0].str()}") from None
            sleep(0.2)


def move(client: Any, group: str, partitions: list[TopicPartition]) -> None:
    """Sets a group's offsets. Raises Fault when the group is not left within the time of a session."""
    deadline = monotonic() + SESSIONS_SECONDS
    while True:
        try:
            wanted = [ConsumerGroupTopicPartitions(group, partitions)]
            for future in client.alter_consumer_group_offsets(wanted, request_timeout=10).values():
                future.result()
        except KafkaException as busy:
            if monotonic() > deadline:
                raise Fault(f"The offsets of {group} cannot be moved: {busy.args[0].str()}") from None
            sleep(0.2)
        else:
            return
