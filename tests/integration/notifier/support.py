"""What the notifier's tests need around it: the events that it tells of, and a door of intake that opens and shuts."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Record, eventually

from amanah.sinks import Sinks
from amanah_contracts.sla_monitor import DeadlineBreached, DeadlineBreachWithdrawn

DUE = datetime(2026, 3, 16, 16, tzinfo=UTC)


def _clock(complaint: UUID, agency: str | None) -> dict[str, Any]:
    facts = {"agency": agency, "stage": "resolution", "rule": "given", "rule_version": "1", "due_at": DUE}
    return {"complaint_id": complaint, "occurred_at": DUE, "received_at": DUE} | facts


def breached(complaint: UUID, agency: str | None = "dot", **more: Any) -> DeadlineBreached:
    return DeadlineBreached(**_clock(complaint, agency) | {"breached_at": DUE, "detected_at": DUE} | more)


def withdrawn(complaint: UUID, agency: str | None = "dot") -> DeadlineBreachWithdrawn:
    return DeadlineBreachWithdrawn(**_clock(complaint, agency) | {"reason": "a reply received in time"})


def now() -> datetime:
    return datetime.now(UTC)


def received(ledger: Path, complaint: UUID) -> list[dict[str, Any]]:
    """What a receiver has on disk about a complaint, in order."""
    lines = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    return [line for line in lines if str(complaint) in (line.get("complaint_id", ""), _complaint_of(line))]


def _complaint_of(line: dict[str, Any]) -> str:
    return str(json.loads(line["body"])["complaint_id"]) if "signature" in line else ""


def webhooks(sinks: Sinks, complaint: UUID) -> list[dict[str, Any]]:
    return received(sinks.directory / "webhooks.jsonl", complaint)


def mails(sinks: Sinks, complaint: UUID) -> list[dict[str, Any]]:
    return received(sinks.directory / "mail.jsonl", complaint)


async def settled(notifier: ServiceProcess, reader: Reader, complaint: UUID, notices: int) -> dict[str, Record]:
    """Waits until so many notices have come to their end and Kafka says so; answers the last words by recipient."""
    waiting = (
        "select count(*) filter (where state = 'pending'), count(*) from notifier_delivery where complaint_id = %s"
    )
    await eventually(lambda: notifier.sql(waiting, complaint) == [(0, notices)], f"{notices} notices to be settled")
    said = "select count(*) from notifier_delivery where complaint_id = %s and state in ('sent', 'failed')"
    [(events,)] = notifier.sql(said, complaint)
    await reader.until(lambda: len({r.id for r in reader.of(complaint)}) == events, "the notices' events")
    return {r.body["recipient"]: r for r in reader.of(complaint)}


class Intake:
    """Intake's internal door as the notifier sees it; the real one is met in `test_contact.py`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.contacts: dict[UUID, str] = {}
        self.asked: Counter[UUID] = Counter()
        self.away = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        complaint = UUID(request.split()[1].split("/")[3])
        self.asked[complaint] += 1
        email = self.contacts.get(complaint)
        status = "503 Away" if self.away else "200 OK" if email else "404 Not Found"
        body = json.dumps({"email": email, "language": "en"}).encode()
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
