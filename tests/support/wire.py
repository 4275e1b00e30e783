"""The tests' end of Kafka: writes events as their owners do, and reads what the services answer, with another client."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from amanah_contracts.envelope import Event

PATIENCE = 90.0
OWNERS = {
    "amanah.complaints": "amanah.intake",
    "amanah.assignments": "amanah.routing",
    "amanah.cases": "amanah.casework",
    "amanah.deadlines": "amanah.sla_monitor",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an event, as any reader sees it."""

    topic: str
    type: str
    id: str
    sequence: int
    complaint: UUID
    body: dict[str, Any]
    appended_at: datetime
    raw: str
    """Key, headers and value as text."""

    def instant(self, field: str) -> datetime:
        return datetime.fromisoformat(self.body[field])


class Wire:
    """Sends events, numbered per complaint and owner like the owner's outbox does."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._producer = Producer(
            {"bootstrap.servers": kafka, "acks": "all", "enable.idempotence": True, "linger.ms": 0}
        )
        self._sequences: Counter[tuple[str, UUID]] = Counter()

    def send(self, *events: Event, sequence: int | None = None) -> None:
        """Returns when Kafka has them all. `sequence` repeats or skips a number."""
        for event in events:
            source = OWNERS[event.topic]
            if sequence is None:
                self._sequences[source, event.subject] += 1
            number = sequence or self._sequences[source, event.subject]
            headers = {
                "ce_specversion": "1.0",
                "ce_id": str(uuid4()),
                "ce_source": source,
                "ce_type": event.type(),
                "ce_time": datetime.now(UTC).isoformat(),
                "ce_subject": str(event.subject),
                "ce_sequence": str(number),
            }
            key = str(event.subject)
            self._producer.produce(event.topic, event.view(None), key, headers=list(headers.items()))
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE) == 0

    def reader(self, *topics: str) -> "Reader":
        """Reads from now on."""
        return Reader(self._kafka, topics)


class Reader:
    """Everything appended to some topics since it was made."""

    def __init__(self, kafka: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"tests-{uuid4()}", "fetch.wait.max.ms": 20})
        self.records: list[Record] = []
        start = []
        for topic in topics:
            partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
            start += [TopicPartition(topic, p, self._end(TopicPartition(topic, p))) for p in partitions]
        self._consumer.assign(start)

    def _end(self, partition: TopicPartition) -> int:
        """Of a topic that was made just now, a broker may not know yet that it leads it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(partition, timeout=10)[1])
            except KafkaException:
                assert time.monotonic() < deadline, f"{partition.topic} has no leader"
                time.sleep(0.05)

    def close(self) -> None:
        self._consumer.close()

    def of(self, complaint: UUID, stem: str = "", topic: str = "") -> list[Record]:
        """What has been read about a complaint, in the order of reading."""
        return [
            r
            for r in self.records
            if r.complaint == complaint and r.type.startswith(stem) and (not topic or r.topic == topic)
        ]

    async def until(self, enough: Callable[[], Any], what: str = "the records") -> None:
        """Reads until `enough()`; fails when that takes too long."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self._pump()
            if enough():
                return
            assert time.monotonic() < deadline, (
                f"waited in vain for {what}; read: {[r.type for r in self.records][-20:]}"
            )
            await asyncio.sleep(0.005)

    async def wait_for(self, complaint: UUID, *stems: str, topic: str = "") -> list[Record]:
        """Reads until the complaint has had at least one record of each of these stems; answers all about it."""
        await self.until(lambda: all(self.of(complaint, stem, topic) for stem in stems), f"{stems} of {complaint}")
        return self.of(complaint, topic=topic)

    def _pump(self) -> None:
        for message in self._consumer.consume(500, timeout=0):
            if message.error() is None and message.key() is not None:
                headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or []}
                value = (message.value() or b"").decode(errors="replace")
                try:
                    complaint, body = UUID(message.key().decode(errors="replace")), json.loads(value)
                    sequence = int(headers["ce_sequence"])
                except (ValueError, KeyError):
                    continue  # another test's, which is about what is no event
                self.records.append(
                    Record(
                        message.topic(),
                        headers.get("ce_type", ""),
                        headers.get("ce_id", ""),
                        sequence,
                        complaint,
                        body,
                        datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
                        f"{message.key()!r} {headers} {value}",
                    )
                )


async def eventually(question: Callable[[], Any], what: str) -> Any:
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)
    return answer
