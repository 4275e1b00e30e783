"""Whether a consumer group has applied what had been written before it came back.

Whoever says things by the clock asks this first: what it would say in the meantime, it would say without knowing what lies
unread.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from amanah_chassis.logs import logger

log = logger(__name__)

PAUSE = 0.1
PAUSE_WITHOUT_KAFKA = 0.5
AWAY = 120.0
"""Seconds for which Kafka may be away: meanwhile nobody would hear what is said."""


async def caught_up(bootstrap: str, group: str, topics: Sequence[str], patience: float) -> bool:
    """Returns True once the group has applied all that lies in these topics when Kafka answers; False `patience` seconds
    after it did, or after AWAY: to wait for ever for what cannot be read would be worse."""
    now = asyncio.get_running_loop().time
    last = now() + AWAY
    try:
        async with asyncio.timeout_at(last) as limit:
            while True:
                try:
                    async with AsyncExitStack() as closing:
                        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
                        closing.push_async_callback(admin.close)
                        await admin.start()
                        ends = await _ends(bootstrap, await _partitions(admin, topics))
                        limit.reschedule(min(now() + patience, last))
                        while not await _applied(admin, group, ends):
                            await asyncio.sleep(PAUSE)
                except (KafkaError, OSError) as away:
                    limit.reschedule(last)
                    log.warning("what lies unread is not known yet", extra={"error": type(away).__name__})
                    await asyncio.sleep(PAUSE_WITHOUT_KAFKA)
                else:
                    return True
    except TimeoutError:
        log.warning("not known to have caught up", extra={"group": group})
        return False


async def _partitions(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> list[TopicPartition]:
    described = await admin.describe_topics(list(topics))
    return [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]


async def _ends(bootstrap: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await reader.start()
        ends: dict[TopicPartition, int] = await reader.end_offsets(partitions)
        return ends
    finally:
        await reader.stop()


async def _applied(admin: AIOKafkaAdminClient, group: str, ends: dict[TopicPartition, int]) -> bool:
    committed = await admin.list_consumer_group_offsets(group)
    return all(end == 0 or (at in committed and committed[at].offset >= end) for at, end in ends.items())
