"""The agencies: each reads its own topic and writes its orders to its own replies topic, with librdkafka."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from confluent_kafka import Consumer, Producer, TopicPartition

from amanah.faultlab.history import History

STAMPED = 2
"""librdkafka's mark of a time that is the broker's own."""
DELIVERY_MS = 90_000


class Office:
    """All agencies of a run. An async context manager."""

    def __init__(self, kafka: str, agencies: Sequence[str], history: History) -> None:
        quiet = {"bootstrap.servers": kafka, "log_level": 0, "reconnect.backoff.max.ms": 500}
        self._consumer = Consumer(quiet | {"group.id": "fault-lab", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(f"amanah.agency.{code}", 0, 0) for code in agencies])
        self._producer = Producer(
            quiet | {"enable.idempotence": True, "linger.ms": 0, "message.timeout.ms": DELIVERY_MS}
        )
        self._history = history
        self._arrived: dict[str, asyncio.Future[None]] = {}
        self._work: list[asyncio.Task[None]] = []
        self.carried = 0
        """Orders that the broker acknowledged."""

    async def __aenter__(self) -> "Office":
        self._work = [asyncio.create_task(self._read()), asyncio.create_task(self._serve())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._work:
            task.cancel()
        for task in self._work:
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self._producer.flush, 5)
        await asyncio.to_thread(self._consumer.close)

    def arrived(self, complaint: str) -> "asyncio.Future[None]":
        """Done once the agency has read that the complaint is its own."""
        return self._arrived.setdefault(complaint, asyncio.get_running_loop().create_future())

    async def order(self, complaint: str, agency: str, verb: str) -> None:
        """Gives one order; returns when the broker has it, or when nobody can know."""
        order_id = str(uuid5(NAMESPACE_URL, f"fault-lab/{complaint}/{verb}"))
        value = {"complaint_id": complaint, "agency": agency, "verb": verb, "order_id": order_id}
        process = f"agency-{agency}"
        number = self._history.invoke(process, "order", value)
        message = await self._send(agency, complaint, verb, order_id)
        if message is None:
            self._history.outcome(process, number, "info", "order", value)
            return
        kind, stamp = message.timestamp()
        place = f"{message.topic()}/{message.partition()}@{message.offset()}"
        stamped = {"place": place, "stamp_ms": stamp if kind == STAMPED else None}
        self._history.outcome(process, number, "ok", "order", value | stamped)
        self.carried += 1

    async def _send(self, agency: str, complaint: str, verb: str, order_id: str) -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def delivered(error: Any, message: Any) -> None:
            loop.call_soon_threadsafe(_settle, done, None if error else message)

        body = {"complaint_id": complaint} | ({"reply": "It was mended today."} if verb == "reply" else {})
        self._producer.produce(
            f"amanah.agency.{agency}.replies",
            json.dumps(body).encode(),
            complaint.encode(),
            on_delivery=delivered,
            headers=[
                ("ce_specversion", b"1.0"),
                ("ce_id", order_id.encode()),
                ("ce_source", f"agency/{agency}".encode()),
                ("ce_type", f"case.{verb}.v1".encode()),
                ("content-type", b"application/json"),
            ],
        )
        return await done

    async def _serve(self) -> None:
        while True:
            await asyncio.to_thread(self._producer.poll, 0.05)

    async def _read(self) -> None:
        while True:
            for message in await asyncio.to_thread(self._consumer.consume, 500, 0.05):
                if message.error() is None and dict(message.headers() or ()).get("ce_type") == b"complaint.routed.v1":
                    _settle(self.arrived((message.key() or b"").decode()), None)


def _settle(waiting: "asyncio.Future[Any]", value: Any) -> None:
    if not waiting.done():
        waiting.set_result(value)
