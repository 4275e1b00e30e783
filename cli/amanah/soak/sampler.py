"""Looks at everything every ten seconds: processes, consumer groups, outboxes, tables."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from amanah.embedded.stack import Stack
from amanah.soak import tables
from amanah.soak.series import Series
from amanah.soak.verdict import AGE, FILES, LAG, MEMORY, STILL, UNSENT

EVERY_SECONDS = 10.0
PARTS = ("kafka", "postgres")
"""Besides the services."""
COMPLAINTS = "complaints filed"
_TABLES = """
    select c.relname, pg_total_relation_size(c.oid) / 1024.0
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname = 'public' order by 1
    """
_UNSENT = """
    select count(*), coalesce(extract(epoch from chassis_now() - min(created_at)), 0)::float8
    from chassis_outbox where sent_at is null
    """


class Sampler:
    """`run()` until cancelled; `series` holds what was seen, by name."""

    def __init__(
        self,
        stack: Stack,
        databases: Mapping[str, asyncpg.Pool],
        admin: AIOKafkaAdminClient,
        reader: AIOKafkaConsumer,
        groups: Mapping[str, Sequence[str]],
        filed: Callable[[], int],
    ) -> None:
        self._stack = stack
        self._databases = databases
        self._admin = admin
        self._reader = reader
        self._groups = groups
        self._filed = filed
        self._began = monotonic()
        self.series: dict[str, Series] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, stack: Stack, groups: Mapping[str, Sequence[str]], filed: Callable[[], int]
    ) -> "AsyncIterator[Sampler]":
        """`groups`: consumer group to the topics it reads; `filed`: how many complaints there are by now."""
        async with AsyncExitStack() as closing:
            databases = {
                name: await closing.enter_async_context(asyncpg.create_pool(stack.dsn(name), min_size=1, max_size=1))
                for name in stack.options.services
            }
            admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
            closing.push_async_callback(admin.close)
            await admin.start()
            topics = sorted({topic for read in groups.values() for topic in read})
            reader = AIOKafkaConsumer(*topics, bootstrap_servers=stack.kafka)
            closing.push_async_callback(reader.stop)
            await reader.start()
            yield cls(stack, databases, admin, reader, groups, filed)

    @property
    def seconds(self) -> float:
        """Since the load began."""
        return monotonic() - self._began

    async def run(self) -> None:
        """At the tens of seconds; a look that takes long leaves out those that it has passed."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS - self.seconds % EVERY_SECONDS)

    async def look(self) -> None:
        at = round(self.seconds, 1)
        self._note(at, COMPLAINTS, STILL, "", self._filed())
        for part in (*self._stack.options.services, *PARTS):
            memory, files = await asyncio.to_thread(_process, self._stack.pid(part))
            self._note(at, f"memory of {part}", MEMORY, "MB", memory)
            self._note(at, f"files of {part}", FILES, "", files)
        for group, lag in (await self._lags()).items():
            self._note(at, f"lag of {group}", LAG, "records", lag)
        for service, pool in self._databases.items():
            async with pool.acquire() as db:
                await self._database(at, service, db)

    async def _database(self, at: float, service: str, db: Any) -> None:
        unsent, age = await db.fetchrow(_UNSENT)
        self._note(at, f"unsent of {service}", UNSENT, "rows", unsent)
        self._note(at, f"oldest unsent of {service}", AGE, "s", age)
        sizes = {row[0]: float(row[1]) for row in await db.fetch(_TABLES)}
        counted = ", ".join(f'(select count(*) from "{name}")' for name in sizes)  # noqa: S608 - the catalogue's own names
        counts = await db.fetchrow(f"select {counted}")
        for (name, size), rows in zip(sizes.items(), counts, strict=True):
            self._note(at, f"size of {service}.{name}", tables.kind(name), "kB", size)
            self._note(at, f"rows of {service}.{name}", tables.kind(name), "rows", rows)

    async def _lags(self) -> dict[str, int]:
        """What each group has not committed yet."""
        parts = {
            group: [
                TopicPartition(topic, n) for topic in topics for n in self._reader.partitions_for_topic(topic) or ()
            ]
            for group, topics in self._groups.items()
        }
        committed = {group: await self._admin.list_consumer_group_offsets(group) for group in parts}
        ends = await self._reader.end_offsets(sorted({part for every in parts.values() for part in every}))
        return {
            group: sum(ends[p] - max(committed[group][p].offset if p in committed[group] else 0, 0) for p in every)
            for group, every in parts.items()
        }

    def _note(self, at: float, name: str, kind: str, unit: str, value: float) -> None:
        series = self.series.setdefault(name, Series(name, kind, unit))
        series.points.append((at, round(float(value), 3)))


def _process(pid: int) -> tuple[float, int]:
    """Megabytes and open files of a process and all that it started; pages that several share count by their share."""
    import psutil

    memory, files = 0.0, 0
    try:
        own = psutil.Process(pid)
        every = [own, *own.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0, 0
    for process in every:
        try:
            memory += process.memory_full_info().pss / 2**20
            files += process.num_fds()
        except psutil.Error:  # ended a moment ago, or somebody else's
            continue
    return memory, files


def load() -> float:
    """The machine's load over the last minute: what else it was doing."""
    return round(os.getloadavg()[0], 2)
