"""Plays the agencies: each reads its own topic, and writes its closings to its own replies topic. Where no rule finds an
agency, it also plays the person in triage."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from time import monotonic
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from amanah.fault import Fault
from amanah.replay.citizen import History
from amanah.replay.log import Row

PATIENCE_SECONDS = 120.0


class Office:
    """Everybody who answers."""

    def __init__(
        self, kafka: str, agencies: Sequence[str], routing: str, token: str, triage_to: str | None, history: History
    ) -> None:
        topics = [f"amanah.agency.{code}" for code in agencies]
        self._consumer = AIOKafkaConsumer(
            *topics, "amanah.assignments", bootstrap_servers=kafka, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        self._producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
        self._http = httpx.AsyncClient(base_url=routing, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self._triage_to = triage_to
        self._history = history
        self._reading: asyncio.Task[None] | None = None
        self._holders: dict[UUID, asyncio.Future[str]] = {}
        self.arrived: dict[UUID, float] = {}
        """When each complaint was read from its agency's topic (monotonic seconds)."""
        self.refused: dict[str, str] = {}
        """Source id to the reason why its closing was refused."""

    async def open(self) -> None:
        await self._producer.start()
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        await self._consumer.stop()
        await self._producer.stop()
        await self._http.aclose()

    async def resolve(self, row: Row, complaint: UUID) -> None:
        """The agency closes the case, once it has seen it; returns when the broker has the order."""
        agency = await self._awaited(complaint)
        order_id = uuid5(NAMESPACE_URL, f"amanah-replay/close/{row.source_id}")
        self._history.note(
            op="close", source_id=row.source_id, complaint_id=complaint, order_id=order_id, sent_at=row.closed
        )
        body = {"complaint_id": str(complaint), "occurred_at": row.closed.isoformat() if row.closed else None}
        await self._producer.send_and_wait(
            f"amanah.agency.{agency}.replies",
            json.dumps(body).encode(),
            key=str(complaint).encode(),
            headers=[
                ("ce_specversion", b"1.0"),
                ("ce_id", str(order_id).encode()),
                ("ce_source", f"agency/{agency}".encode()),
                ("ce_type", b"case.resolve.v1"),
                ("content-type", b"application/json"),
            ],
        )

    async def placed(self, complaints: Iterable[UUID]) -> None:
        """Returns when each has reached an agency, also those that a person in triage has to place, if there is one."""
        for complaint in complaints if self._triage_to else ():
            if not self._holder(complaint).done():
                await self._awaited(complaint)

    async def _awaited(self, complaint: UUID) -> str:
        """The agency that has it, once it is there."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._holder(complaint)), PATIENCE_SECONDS)
        except TimeoutError:
            raise Fault(
                f"Complaint {complaint} reached no agency within {PATIENCE_SECONDS:.0f} s; see the logs of the data"
                " directory."
            ) from None

    def _holder(self, complaint: UUID) -> "asyncio.Future[str]":
        return self._holders.setdefault(complaint, asyncio.get_running_loop().create_future())

    async def _read(self) -> None:
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=500)
            except KafkaError:
                await asyncio.sleep(0.2)
                continue
            for records in batches.values():
                for record in records:
                    await self._take(record.topic, dict(record.headers).get("ce_type", b""), json.loads(record.value))

    async def _take(self, topic: str, ce_type: bytes, body: dict[str, str]) -> None:
        complaint = UUID(body["complaint_id"])
        if ce_type == b"complaint.routed.v1" and topic.startswith("amanah.agency."):
            self.arrived.setdefault(complaint, monotonic())
            holder = self._holder(complaint)
            if not holder.done():
                holder.set_result(body["agency"])
        elif ce_type == b"case.order_refused.v1" and topic.startswith("amanah.agency."):
            self.refused[body.get("source_ref") or str(complaint)] = body["reason"]
        elif ce_type == b"triage.requested.v1" and self._triage_to:
            await self._assign(complaint)

    async def _assign(self, complaint: UUID) -> None:
        """The person in triage; a call that got no answer is made again, and finds it done."""
        deadline = monotonic() + PATIENCE_SECONDS
        while monotonic() < deadline:
            with suppress(httpx.TransportError):
                answer = await self._http.post(
                    f"/triage/{complaint}/assign",
                    json={
                        "agency": self._triage_to,
                        "explanation": "No rule names an agency: the call centre takes it.",
                    },
                )
                if answer.status_code in {200, 409}:
                    return
            await asyncio.sleep(0.1)
