"""What lies in Kafka, read again from the beginning, or broken."""

import asyncio
import json
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]

from amanah.embedded.topics import admin
from amanah.fault import Fault
from amanah.faultlab.gather import counted
from amanah.faultlab.hands import held_down, until
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces
from amanah.faultlab.plan import AGENCIES
from amanah.recovery import readers
from amanah.replay.session import _groups

COMPLAINTS = "amanah.complaints"
MOVES_ON_SECONDS = 30.0
LARGE = 2 * 2**20
READERS = ("routing", "sla_monitor", "notifier")
"""Who reads amanah.complaints."""


async def _from_the_beginning(lab: Lab) -> Figures:
    """Offsets can only be moved while nobody is in the group, so all services are down for a while."""
    async with held_down(lab.stack, *lab.stack.options.services):
        moved = await asyncio.to_thread(_reset, lab.stack.kafka)
    return {"partitions": moved}


def _reset(kafka: str) -> int:
    client = admin(kafka)
    known = client.list_topics(timeout=30).topics
    moved = 0
    for group, topics in _groups(list(AGENCIES)).items():
        partitions = [TopicPartition(topic, n, 0) for topic in topics for n in known[topic].partitions]
        readers.move(client, group, partitions)
        moved += len(partitions)
    return moved


def _all_again(traces: Traces) -> Proof:
    services = ("intake", "routing", "sla_monitor", "notifier")
    again = {s: int(counted(traces.page(s), "amanah_records_total", outcome="duplicate")) for s in services}
    words = ", ".join(f"{service} {count}" for service, count in again.items())
    return Proof(
        all(again.values()), f"{traces.figures['partitions']} partitions from offset 0; duplicates met: {words}"
    )


async def _poison(lab: Lab) -> Figures:
    """Four records that nobody can handle, among those that everybody handles."""
    await asyncio.to_thread(_allow_large, lab.stack.kafka)
    producer = Producer({"bootstrap.servers": lab.stack.kafka, "message.max.bytes": 2 * LARGE, "log_level": 0})
    began = monotonic()
    for name, headers, value in _broken(lab):
        place = await asyncio.to_thread(_put, producer, lab, headers, value)
        lab.history.note("poisoner", "poison", {"place": place, "name": name}, "ok")
    for service in READERS:
        await _buried(lab, service, 4)
    return {"buried_seconds": round(monotonic() - began, 1)}


def _allow_large(kafka: str) -> None:
    """The topic takes 1 MB; for this run it takes more, or nothing large could ever get there."""
    wanted = ConfigEntry("max.message.bytes", str(3 * LARGE), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, COMPLAINTS, incremental_configs=[wanted])
    client = admin(kafka)  # kept until the answer is there: with it ends what it was asked
    for future in client.incremental_alter_configs([resource]).values():
        future.result()


def _broken(lab: Lab) -> list[tuple[str, list[tuple[str, bytes]], bytes | None]]:
    def headers(kind: bytes) -> list[tuple[str, bytes]]:
        subject = str(UUID(int=lab.chance.getrandbits(128), version=4)).encode()
        event = str(UUID(int=lab.chance.getrandbits(128), version=4)).encode()
        return [
            ("ce_specversion", b"1.0"), ("ce_id", event), ("ce_source", b"amanah.intake"), ("ce_type", kind),
            ("ce_subject", subject), ("ce_sequence", b"1"), ("content-type", b"application/json"),
        ]  # fmt: skip

    large = json.dumps({"narrative": "x" * LARGE}).encode()
    return [
        ("a header that is no text", headers(b"\xff\xfe\xfd"), b"{}"),
        ("an unknown version", headers(b"complaint.submitted.v9"), b"{}"),
        ("2 MB", headers(b"complaint.submitted.v1"), large),
        ("no body", headers(b"complaint.submitted.v1"), None),
    ]


def _put(producer: Any, lab: Lab, headers: list[tuple[str, bytes]], value: bytes | None) -> str:
    placed: list[str] = []

    def delivered(error: Any, message: Any) -> None:
        if error:
            raise Fault(f"Kafka did not take a broken record: {error.str()}")
        placed.append(f"{message.topic()}/{message.partition()}@{message.offset()}")

    key = dict(headers)["ce_subject"]
    producer.produce(COMPLAINTS, value, key, lab.chance.randrange(3), on_delivery=delivered, headers=headers)
    producer.flush(10)
    return placed[0]


async def _buried(lab: Lab, service: str, count: int) -> None:
    db = await asyncpg.connect(lab.stack.admin_dsn(f"amanah_{service}"))

    async def there() -> bool:
        return bool(await db.fetchval("select count(*) >= $1 from chassis_dead_letter", count))

    try:
        await until(there, f"{service} to set {count} broken records aside", 2 * MOVES_ON_SECONDS)
    finally:
        await db.close()


def _set_aside(traces: Traces) -> Proof:
    poisons = {op.value["place"] for op in traces.history if op.f == "poison"}
    dead = [reason for place, reason in traces.found.rows.dead if place in poisons]
    took = traces.figures["buried_seconds"]
    words = f"{len(poisons)} broken records in Kafka, {len(dead)} dead letters, the last after {took} s"
    slow = took > MOVES_ON_SECONDS
    return Proof(
        len(dead) >= len(poisons) * len(READERS), words, ("a partition stood for more than 30 s",) if slow else ()
    )


FAULTS = (
    Nemesis(
        id="F14",
        title="broken records among the others",
        does="A header that is no text, an unknown version, 2 MB and an empty body are put on amanah.complaints.",
        proven_by="a dead letter for each of them in each service that reads the topic, within 30 s",
        strike=_poison,
        proof=_set_aside,
    ),
    Nemesis(
        id="F15",
        title="all offsets back to the beginning",
        does="All services are stopped, all their groups set to offset 0, and everything is read again.",
        proven_by="records that each service counts as duplicates",
        strike=_from_the_beginning,
        proof=_all_again,
    ),
)
