"""Where the services' consumer groups begin to read. It can only be moved while nobody is in the group."""

import asyncio
from collections.abc import Collection
from time import monotonic, sleep
from typing import Any

from aiokafka import TopicPartition as Asked
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from amanah.embedded.topics import admin
from amanah.fault import Fault
from amanah.verify.records import PREFIX

SESSIONS_SECONDS = 30.0
"""A killed member is in its group until its session ends."""
Place = tuple[str, int]
"""Topic and partition."""


async def to_the_beginning(kafka: str, services: Collection[str], topics: Collection[str] | None = None) -> int:
    """Of these topics, or of all that they read, the services will read everything again, and drop what they have applied.
    Answers how many partitions had to be moved; where nothing was committed, they begin at the earliest anyway. Raises
    Fault when somebody still reads."""
    moved = 0
    for group in (group for service in services for group in (f"amanah.{service}", f"amanah.{service}.orders")):
        stands = await committed(kafka, group)
        back = [TopicPartition(topic, n, 0) for topic, n in stands if topics is None or topic in topics]
        if back:
            await asyncio.to_thread(move, admin(kafka), group, back)
            moved += len(back)
    return moved


async def committed(kafka: str, group: str) -> dict[Place, int]:
    """Where a group will go on, where that is not the beginning.

    A broker that has just started and still reads its offsets answers with an error, of which confluent-kafka dies (a
    segmentation fault, seen in 2.16) and to which aiokafka is deaf: it then names none of the partitions asked for."""
    deadline = monotonic() + SESSIONS_SECONDS
    while True:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        try:
            await client.start()
            wanted = await _partitions(client)
            found = await client.list_consumer_group_offsets(group, partitions=wanted)
            if len(found) == len(wanted):
                return {(at.topic, at.partition): of.offset for at, of in found.items() if of.offset > 0}
            why = "it still reads its offsets"
        except (KafkaError, OSError) as not_yet:
            why = type(not_yet).__name__
        finally:
            await client.close()
        if monotonic() > deadline:
            raise Fault(f"The offsets of {group} cannot be read: {why}")
        await asyncio.sleep(0.2)


async def _partitions(client: AIOKafkaAdminClient) -> list[Asked]:
    names = [name for name in await client.list_topics() if name.startswith(PREFIX)]
    described = await client.describe_topics(names)
    return [Asked(topic["topic"], n["partition"]) for topic in described for n in topic["partitions"]]


def move(client: Any, group: str, partitions: list[TopicPartition]) -> None:
    """Sets a group's offsets. Raises Fault when the group is not left within the time of a session."""
    deadline = monotonic() + SESSIONS_SECONDS
    while True:
        wanted = [ConsumerGroupTopicPartitions(group, partitions)]
        try:
            answer = client.alter_consumer_group_offsets(wanted, request_timeout=10)[group].result()
            refused(answer.topic_partitions)
        except KafkaException as busy:
            if monotonic() > deadline:
                raise Fault(f"The offsets of {group} cannot be moved: {busy.args[0].str()}") from None
            sleep(0.2)
        else:
            return


def refused(partitions: Collection[Any]) -> None:
    """Of a group that has members still each partition is refused by itself, and the answer as a whole is none. Raises
    KafkaException for the first."""
    for at in partitions:
        if at.error is not None:
            raise KafkaException(at.error)
