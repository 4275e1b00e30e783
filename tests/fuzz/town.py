"""Intake, routing, casework and the SLA monitor at work, with the Kafka and the databases they have in a deployment."""

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from confluent_kafka import Consumer, Producer, TopicPartition
from tests.fuzz.orders import Sent
from tests.fuzz.raw import Answer, Raw
from tests.support.containers import servers
from tests.support.events import routed, submitted
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import PATIENCE, Wire

from amanah import project

SERVICES = ("intake", "routing", "casework", "sla_monitor")
REPLIES = "amanah.agency.dot.replies"


class Town:
    """What runs, and who is known in it."""

    def __init__(self, embedded: Embedded, services: dict[str, ServiceProcess]) -> None:
        self.embedded = embedded
        self.services = services
        self.wire = Wire(embedded.kafka)
        self.producer = Producer({"bootstrap.servers": embedded.kafka, "acks": "all", "message.max.bytes": 2_000_000})
        self.raw = {name: Raw(service.port) for name, service in services.items()}
        self.ids: dict[str, tuple[str, ...]] = {}

    def close(self) -> None:
        """Before Kafka ends: clients that outlive it complain aloud."""
        del self.wire, self.producer
        for raw in self.raw.values():
            raw.close()

    def token(self, service: str) -> bytes:
        return self.services[service].secrets.token().read_text().strip().encode()

    def held(self, agency: str, count: int) -> list[UUID]:
        """Complaints that casework knows to be with an agency."""
        found = [uuid4() for _ in range(count)]
        at = datetime.now(UTC) - timedelta(days=1)
        self.wire.send(*(submitted(complaint, at) for complaint in found))
        self.wire.send(*(routed(complaint, at, agency) for complaint in found))
        desk = self.services["casework"]
        known = 'select count(*) from "case" where complaint_id = any(%s)'
        waits(lambda: desk.sql(known, found) == [(count,)], "the cases to be opened")
        return found

    def put(self, topic: str, *given: Sent) -> list[int]:
        """Writes records in this order to a topic of one partition; answers their offsets."""
        offsets: list[int] = []
        for record in given:
            self.producer.produce(
                topic,
                record.value,
                record.key,
                partition=0,
                headers=list(record.headers),
                on_delivery=lambda _, m: offsets.append(m.offset()),
            )
            self.producer.poll(0)
        assert self.producer.flush(PATIENCE) == 0
        return sorted(offsets)

    def dead(self, *services: str) -> dict[str, int]:
        """Dead letters that wait for somebody."""
        count = "select count(*) from chassis_dead_letter where replayed_at is null"
        return {name: self.services[name].sql(count)[0][0] for name in services}

    def lag(self, service: str, group: str, topics: list[str]) -> int:
        consumer = Consumer({"bootstrap.servers": self.embedded.kafka, "group.id": f"amanah.{service}{group}"})
        try:
            places = [TopicPartition(t, p) for t in topics for p in consumer.list_topics(t, 10).topics[t].partitions]
            ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, timeout=10)[1] for p in places}
            return sum(ends[p.topic, p.partition] - max(p.offset, 0) for p in consumer.committed(places, timeout=10))
        finally:
            consumer.close()


def waits(question: Callable[[], Any], what: str) -> None:
    async def asked() -> None:
        from tests.support.wire import eventually

        await eventually(question, what)

    asyncio.run(asked())


@contextmanager
def opened(home: Path) -> Iterator[Town]:
    """On a stack of its own: what is written here would be in the way of other tests."""
    with tempfile.TemporaryDirectory(prefix="amanah-fuzz-") as temporary, servers() as existing, ExitStack() as stack:
        Path(temporary).chmod(0o711)
        embedded = Embedded(Path(os.environ.get("AMANAH_TEST_DATA", temporary)) / "fuzz", **existing)
        stack.callback(embedded.stop)
        embedded.start()
        pack = project.pack("nyc311")
        services = {
            name: ServiceProcess(
                name,
                kafka=embedded.kafka,
                database=embedded.database(),
                pack=pack,
                home=home,
                AMANAH_ORDER_WAIT_SECONDS="1",
            )
            for name in SERVICES
        }
        for service in services.values():
            stack.callback(service.stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda service: service.start(), services.values()))
        town = _known(Town(embedded, services))
        yield town
        town.close()


def _known(town: Town) -> Town:
    """A complaint that each service knows."""
    case = town.held("dot", 1)[0]
    waiting = uuid4()
    town.wire.send(submitted(waiting, datetime.now(UTC), category="Unheard of"))
    filed = json.loads(file_well(town).body)
    for service, known_ids in {
        "intake": filed["complaint_id"],
        "routing": waiting,
        "casework": case,
        "sla_monitor": case,
    }.items():
        town.ids[service] = (str(known_ids),)
    return town


def file_well(town: Town) -> Answer:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", str(uuid4()).encode())]
    answer = town.raw["intake"].ask(b"POST", b"/complaints", headers, b'{"category": "Noise", "narrative": "Loud."}')
    assert answer.status == 201, answer
    return answer
