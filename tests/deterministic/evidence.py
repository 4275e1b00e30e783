"""What is left when nothing moves any more: records, rows, answers, notices, log lines. The checker sees nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tests.deterministic.broker import Record
from tests.deterministic.people import Canary, Filed, Sent
from tests.deterministic.postgres import SERVICES
from tests.deterministic.world import World

Row = Mapping[str, Any]


class Said(NamedTuple):
    """One event on one topic, where it was first read."""

    topic: str
    source: str
    subject: str
    seq: int
    id: str
    stem: str
    at: datetime
    """When the broker stamped it."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """All of it, at one instant."""

    now: datetime
    pack: Path
    law_changed: bool
    records: Sequence[Record]
    tables: Mapping[str, Sequence[Row]]
    """By `service.table`."""
    filed: Sequence[Filed]
    sent: Sequence[Sent]
    canaries: Sequence[Canary]
    poison: frozenset[tuple[str, int, int]]
    logs: Sequence[str]

    @cached_property
    def events(self) -> list[Said]:
        """Every event on every topic, each delivery of it, in the order of its partition."""
        return [_said(record) for record in self.records if not record.topic.endswith(".replies")]

    @cached_property
    def facts(self) -> dict[str, list[Said]]:
        """The owners' topics by stem, each event once."""
        once = {(said.source, said.subject, said.seq): said for said in reversed(self.events) if _owned(said.topic)}
        found: dict[str, list[Said]] = {}
        for said in sorted(once.values(), key=lambda said: (said.source, said.subject, said.seq)):
            found.setdefault(said.stem, []).append(said)
        return found

    def of(self, *stems: str) -> list[Said]:
        return [said for stem in stems for said in self.facts.get(stem, ())]

    def facts_on(self, topic: str) -> list[Said]:
        return [said for some in self.facts.values() for said in some if said.topic == topic]

    def orders(self) -> set[tuple[str, str, str, str]]:
        """Complaint, agency, kind and id of every order that can be read."""
        found = set()
        for record in self.records:
            if record.topic.endswith(".replies") and (record.topic, record.partition, record.offset) not in self.poison:
                headers = dict(record.headers)
                agency = record.topic.removeprefix("amanah.agency.").removesuffix(".replies")
                body = json.loads(record.value or b"")
                found.add((body["complaint_id"], agency, _text(headers, "ce_type"), _text(headers, "ce_id")))
        return found


OWNERS = {
    "amanah.intake": "amanah.complaints",
    "amanah.routing": "amanah.assignments",
    "amanah.casework": "amanah.cases",
    "amanah.sla_monitor": "amanah.deadlines",
    "amanah.notifier": "amanah.notices",
}
"""The one topic of each source."""
_TABLES = {
    "intake": ("intake_complaint",),
    "routing": ("complaint",),
    "casework": ("case", "action"),
    "sla_monitor": ("casefile", "deadline", "fired"),
    "notifier": ("notifier_complaint", "notifier_delivery"),
}
_CHASSIS = ("chassis_position", "chassis_parked", "chassis_dead_letter")


async def gather(world: World) -> Evidence:
    tables: dict[str, list[Row]] = {}
    for service in SERVICES:
        for table in (*_TABLES[service], *_CHASSIS):
            rows = await world.server.rows(f'select to_jsonb(t) from {service}."{table}" t')
            tables[f"{service}.{table}"] = [json.loads(row[0]) for row in rows]
        unsent = await world.server.rows(f"select id from {service}.chassis_outbox where sent_at is null")
        tables[f"{service}.unsent"] = [dict(row) for row in unsent]
    return Evidence(
        world.now,
        world.pack,
        world.edition > 0,
        world.broker.records(),
        tables,
        world.filed,
        world.sent,
        world.canaries,
        frozenset(world.poison),
        world.logs.lines,
    )


def _said(record: Record) -> Said:
    headers = dict(record.headers)
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=record.timestamp)
    stem = _text(headers, "ce_type").rpartition(".v")[0]
    subject, seq = _text(headers, "ce_subject"), int(_text(headers, "ce_sequence"))
    body = json.loads(record.value or b"")
    return Said(record.topic, _text(headers, "ce_source"), subject, seq, _text(headers, "ce_id"), stem, at, body)


def _owned(topic: str) -> bool:
    return topic in OWNERS.values()


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    return (headers[name] or b"").decode()


def instants(values: Iterable[Any]) -> list[datetime]:
    return [datetime.fromisoformat(value) for value in values]


def complaint_ids(filed: Filed) -> set[UUID]:
    """Of every answer that was given to one key."""
    return {UUID(json.loads(answer)["complaint_id"]) for answer in filed.answers if answer != b"refused"}
