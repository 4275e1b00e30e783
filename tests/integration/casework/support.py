"""The tests' side of the desk: agencies that write to their own topics as outsiders do, and a caller of its HTTP side."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from confluent_kafka import Producer
from tests.support.events import routed
from tests.support.process import ServiceProcess
from tests.support.wire import PATIENCE, Record, Wire, eventually

NARRATIVE = "CANARY-NARRATIVE a hole before the school"
Header = tuple[str, bytes | None]


class Agency:
    """Writes to `amanah.agency.<code>.replies`, which has one partition: what is written here is read in this order."""

    def __init__(self, kafka: str, code: str) -> None:
        self.code = code
        self.topic = f"amanah.agency.{code}.replies"
        self._producer = Producer({"bootstrap.servers": kafka, "acks": "all", "linger.ms": 0})

    def order(self, verb: str, complaint: UUID, order_id: str | bytes | None = None, /, **body: Any) -> str:
        """Sends one good order; answers its id. Headers that tell lies: `source`."""
        named = str(uuid4()) if order_id is None else order_id
        headers: list[Header] = [
            ("ce_id", named if isinstance(named, bytes) else named.encode()),
            ("ce_source", str(body.pop("source", f"agency/{self.code}")).encode()),
            ("ce_type", f"case.{verb}.v1".encode()),
        ]
        self.put(json.dumps({"complaint_id": str(complaint), **body}, default=str).encode(), headers, complaint)
        return str(named)

    def put(self, value: bytes | None, headers: Sequence[Header], complaint: UUID | None = None) -> None:
        """Any record whatever; returns when Kafka has it."""
        key = str(complaint).encode() if complaint else None
        self._producer.produce(self.topic, value=value, key=key, headers=list(headers))
        assert self._producer.flush(PATIENCE) == 0


async def assigned(wire: Wire, desk: ServiceProcess, agency: str = "dot", assignment: int = 1, **more: Any) -> UUID:
    """A complaint that the desk knows to be with an agency; `complaint` and `at` may be given."""
    complaint, at = more.pop("complaint", None) or uuid4(), more.pop("at", None) or datetime.now(UTC)
    wire.send(routed(complaint, at, agency, assignment, **{"narrative": NARRATIVE, "source_ref": "CANARY-REF"} | more))
    held = (agency, assignment)
    await eventually(lambda: _holder(desk, complaint) == held, f"{complaint} with {agency}")
    return complaint


def _holder(desk: ServiceProcess, complaint: UUID) -> tuple[str, int] | None:
    rows = desk.sql('select agency, assignment from "case" where complaint_id = %s', complaint)
    return rows[0] if rows else None


def state(desk: ServiceProcess, complaint: UUID) -> str:
    [(found,)] = desk.sql('select state from "case" where complaint_id = %s', complaint)
    return str(found)


def emitted(desk: ServiceProcess, complaint: UUID) -> list[tuple[str, str]]:
    """Type and topic of all that the desk ever committed to say about a complaint."""
    said = "select type, topic from chassis_outbox where subject = %s order by id"
    return [(kind, topic) for kind, topic in desk.sql(said, complaint)]


def told(records: Sequence[Record], topic: str) -> list[tuple[str, dict[str, Any]]]:
    """What a topic says, without what differs from one case to the next."""
    passing = {"complaint_id", "occurred_at", "received_at", "action"}
    return [
        (r.type, {name: value for name, value in r.body.items() if name not in passing})
        for r in records
        if r.topic == topic
    ]


async def give(
    way: str, desk: ServiceProcess, agency: Agency, verb: str, complaint: UUID, body: dict[str, Any], order_id: str = ""
) -> str:
    """One good order by `topic` or by `http`; answers its id."""
    order_id = order_id or str(uuid4())
    if way == "topic":
        return agency.order(verb, complaint, order_id, **body)
    async with http(desk) as client:
        path, key = f"/cases/{complaint}/{verb}", {"Idempotency-Key": order_id}
        answer = await client.post(path, params={"agency": agency.code}, json=body, headers=key)
        assert answer.status_code == 200, answer.text
    return order_id


def http(desk: ServiceProcess, token: str | None = None) -> httpx.AsyncClient:
    """A caller that holds the service token, or another."""
    known = desk.secrets.token().read_text().strip() if token is None else token
    return httpx.AsyncClient(
        base_url=desk.url, headers={"Authorization": f"Bearer {known}"} if known else {}, timeout=30
    )
