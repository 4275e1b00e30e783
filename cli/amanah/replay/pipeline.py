"""The hand on the virtual clock, and the question whether all that has happened has also arrived."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from amanah.fault import Fault

PATIENCE_SECONDS = 120.0


class Pipeline:
    """Connections to every service's database and to Kafka, for one replay."""

    def __init__(
        self, databases: Mapping[str, asyncpg.Pool], admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, groups: Any
    ) -> None:
        self._databases = databases
        self._admin = admin
        self._reader = reader
        self._groups: Mapping[str, Sequence[TopicPartition]] = groups

    @classmethod
    @asynccontextmanager
    async def open(
        cls, dsns: Mapping[str, str], kafka: str, groups: Mapping[str, Sequence[str]]
    ) -> "AsyncIterator[Pipeline]":
        """`groups`: consumer group to the topics it reads."""
        async with AsyncExitStack() as closing:
            databases = {
                name: await closing.enter_async_context(asyncpg.create_pool(dsn, min_size=1, max_size=2))
                for name, dsn in dsns.items()
            }
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
            closing.push_async_callback(admin.close)
            await admin.start()
            reader = AIOKafkaConsumer(bootstrap_servers=kafka)
            closing.push_async_callback(reader.stop)
            await reader.start()
            partitions = {
                group: [TopicPartition(topic, p) for topic in topics for p in await _partitions(reader, topic)]
                for group, topics in groups.items()
            }
            yield cls(databases, admin, reader, partitions)

    async def step(self, instant: datetime) -> None:
        """Moves every service's clock to `instant`. Returns when they all show it: the broker stamps in whole milliseconds,
        so the step lies between two of them and no stamp can be of either time."""
        some = next(iter(self._databases.values()))
        real = await some.fetchval("select date_trunc('milliseconds', clock_timestamp()) + interval '2 milliseconds'")
        await asyncio.gather(
            *(pool.execute("select chassis_clock_step($1, $2)", real, instant) for pool in self._databases.values())
        )
        while await some.fetchval("select clock_timestamp() < $1", real):
            await asyncio.sleep(0.001)

    async def settle(self) -> None:
        """Every fact up to now has arrived: lets deadlines fire, and returns when those that were due have."""
        await asyncio.gather(*(pool.execute("select chassis_clock_settle()") for pool in self._databases.values()))
        monitor = self._databases["sla_monitor"]
        await _until(
            lambda: monitor.fetchval(
                "select not exists (select from deadline where next_fire_at <= chassis_settled())"
            ),
            "the SLA monitor to fire what is due",
        )

    async def next_fire(self) -> datetime | None:
        """When the earliest running clock will fire."""
        found: datetime | None = await self._databases["sla_monitor"].fetchval("select min(next_fire_at) from deadline")
        return found

    async def drain(self) -> None:
        """Returns when no event is unsent, unread or set aside, twice in a row with nothing new between: then nothing that
        has happened is still under way."""
        seen: list[Any] = []

        async def at_rest() -> bool:
            state = await self._state()
            seen.append(state)
            return state is not None and len(seen) > 1 and seen[-2] == state

        await _until(at_rest, "the pipeline to drain")

    async def delivered(self) -> None:
        """Returns when no notice waits to be sent."""
        notifier = self._databases["notifier"]
        await _until(
            lambda: notifier.fetchval("select not exists (select from notifier_delivery where state = 'pending')"),
            "the last notices to be sent",
        )

    async def _state(self) -> Any:
        """The topics' ends when all is sent, read and applied, else None."""
        busy = await asyncio.gather(
            *(
                pool.fetchval(
                    "select exists (select from chassis_outbox where sent_at is null) or exists (select from chassis_parked)"
                )
                for pool in self._databases.values()
            )
        )
        if any(busy):
            return None
        partitions = sorted({p for group in self._groups.values() for p in group})
        committed = await asyncio.gather(*(self._admin.list_consumer_group_offsets(group) for group in self._groups))
        ends: dict[TopicPartition, int] = await self._reader.end_offsets(partitions)
        for offsets, group in zip(committed, self._groups.values(), strict=True):
            for partition in group:
                at = offsets[partition].offset if partition in offsets else 0
                if max(at, 0) < ends[partition]:
                    return None
        return ends


async def _partitions(reader: AIOKafkaConsumer, topic: str) -> set[int]:
    found = reader.partitions_for_topic(topic)
    if found is None:
        await reader._client.add_topic(topic)
        found = reader.partitions_for_topic(topic)
    return found or {0}


async def _until(question: Any, what: str) -> None:
    """Asks until the answer is yes; a service that is just restarting only makes it take longer."""
    deadline = monotonic() + PATIENCE_SECONDS
    pause = 0.002
    while True:
        try:
            if await question():
                return
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            pass
        if monotonic() > deadline:
            raise Fault(f"Waited {PATIENCE_SECONDS:.0f} s for {what}; see the logs of the data directory.")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.05)
