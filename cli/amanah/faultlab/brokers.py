"""Three brokers that keep three copies of everything and acknowledge what two of them have."""

import asyncio
import base64
import shutil
import socket
import threading
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from amanah import project
from amanah.embedded import children, jars, kafka
from amanah.embedded.kafka import SETTINGS, Kafka
from amanah.embedded.supervisor import Supervised
from amanah.embedded.topics import admin
from amanah.fault import Fault
from amanah.progress import Progress

COUNT = 3
IN_PLACE_OF = {
    "node.id": "{node}",
    "controller.quorum.voters": "{voters}",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "broker.session.timeout.ms": "6000",
}
"""Settings of the stack's one broker that are other ones here. A broker counts as dead after six seconds, not nine."""


class Member(Kafka):
    """One of them."""

    def __init__(self, folder: Path, ports: tuple[int, int], node: int, voters: str, cluster: str, files: list[Path]):
        super().__init__(folder, folder / "broker.log", *ports, files)
        self._node, self._voters, self._cluster = node, voters, cluster

    async def prepare(self) -> None:
        """Writes its settings and formats its storage, which is empty."""
        self._directory.mkdir(parents=True)
        text = SETTINGS.format(port=self._port, controller=self._controller_port)
        kept = [line for line in text.splitlines() if line.partition("=")[0] not in IN_PLACE_OF]
        own = [f"{k}={v.format(node=self._node, voters=self._voters)}" for k, v in IN_PLACE_OF.items()]
        self._settings.write_text("\n".join((*kept, *own)) + "\n")
        arguments = ["kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(self._settings)]
        (self._directory / "tmp").mkdir()
        if await children.run(self._java(*arguments), self._log, cwd=self._directory) != 0:
            raise Fault(f"A broker's storage could not be formatted: {children.last_words(self._log)}")

    async def launch(self) -> Process:
        shutil.rmtree(self._directory / "tmp", ignore_errors=True)
        return await super().launch()


@dataclass(frozen=True)
class Cluster:
    """Three running brokers, each started again when it dies."""

    bootstrap: str
    parts: Sequence[Supervised]

    def pid(self, number: int) -> int:
        return self.parts[number].pid

    async def whole(self) -> bool:
        """Whether every partition has all its copies."""
        return await asyncio.to_thread(self._whole)

    def _whole(self) -> bool:
        try:
            known = admin(self.bootstrap).list_topics(timeout=10)
        except KafkaException:
            return False
        return len(known.brokers) == COUNT and all(
            len(p.isrs) == len(p.replicas) for topic in known.topics.values() for p in topic.partitions.values()
        )

    def leaders(self) -> dict[tuple[str, int], int]:
        """The broker that leads each partition."""
        topics = admin(self.bootstrap).list_topics(timeout=10).topics
        return {(name, p.id): p.leader for name, topic in topics.items() for p in topic.partitions.values()}


@asynccontextmanager
async def three(above: Path, progress: Progress) -> AsyncIterator[Cluster]:
    """Inside, they run."""
    progress.step(f"Starting {COUNT} brokers")
    files = await asyncio.to_thread(jars.classpath, jars.KAFKA_VERSION, project.cache(), progress, threading.Event())
    ports = _free(2 * COUNT)
    pairs = list(zip(ports[:COUNT], ports[COUNT:], strict=True))
    voters = ",".join(f"{n}@127.0.0.1:{controller}" for n, (_, controller) in enumerate(pairs, 1))
    identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    async with AsyncExitStack() as running:
        parts = []
        for node, pair in enumerate(pairs, 1):
            member = Member(above / "brokers" / str(node), pair, node, voters, identity, files)
            await member.prepare()
            part = Supervised(f"broker {node}", member.launch, Kafka.stop_signal, 20)
            await part.start()
            running.push_async_callback(part.stop)
            parts.append(part)
        bootstrap = ",".join(f"127.0.0.1:{port}" for port, _ in pairs)
        await kafka.serving(bootstrap, kafka.PATIENCE)
        made = Cluster(bootstrap, parts)
        async with asyncio.timeout(kafka.PATIENCE):
            while not await made.whole():  # with fewer than three there is no topic of three copies
                await asyncio.sleep(0.2)
        yield made


def _free(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports
