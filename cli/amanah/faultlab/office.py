"""The agencies: each reads its own topic and writes its orders to its own replies topic, with librdkafka."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from confluent_kafka import Consumer, Producer, TopicPartition

from amanah.faultlab.history import History
from amanah.faultlab.model import place

STAMPED = 2
"""librdkafka's mark of a time that is the broker's own."""
DELIVERY_MS = 90_000


class _Order(NamedTuple):
    complaint_id: str
    agency: str
    verb: str
    order_id: str


class Office:
    """All agencies of a run. An async context manager."""

    def __init__(self, kafka: str, agencies: Sequence[str], history: History) -> None:
        self._quiet = {"bootstrap.servers": kafka, "log_level": 0, "reconnect.backoff.max.ms": 500}
        self._agencies = agencies
        self._consumer, self._producer = self._clients()
        self._reading, self._serving = asyncio.Lock(), asyncio.Lock()
        self._open = asyncio.Event()
        self._open.set()
        self._life = 0
        """How often Kafka lost what it had."""
        self._given: list[_Order] = []
        """Orders that the broker acknowledged, in that order."""
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

    def _clients(self) -> tuple[Consumer, Producer]:
        consumer = Consumer(self._quiet | {"group.id": "fault-lab", "enable.auto.commit": False})
        consumer.assign([TopicPartition(f"amanah.agency.{code}", 0, 0) for code in self._agencies])
        lasting = {"enable.idempotence": True, "linger.ms": 0, "message.timeout.ms": DELIVERY_MS}
        return consumer, Producer(self._quiet | lasting)

    async def leave(self) -> None:
        """Gives no more orders until `begin_anew`; of those under way nobody knows, and they will be given again."""
        self._open.clear()
        self._producer.purge()
        await asyncio.to_thread(self._producer.flush, 5)

    async def begin_anew(self) -> int:
        """Kafka has lost what it had: reads from the beginning, and gives again, under their ids and in their order, all
        orders that Kafka had taken. Answers how many; those that were still to be given follow behind them."""
        self._life += 1
        async with self._reading, self._serving:
            await asyncio.to_thread(self._consumer.close)
            self._consumer, self._producer = self._clients()
        again = list(self._given)
        await asyncio.gather(*(self._again(order) for order in again))
        self._open.set()
        return len(again)

    async def _again(self, order: "_Order") -> None:
        value = order._asdict()
        number = self._history.invoke(f"agency-{order.agency}", "order", value)
        self._note(number, value, await self._once(order))

    def arrived(self, complaint: str) -> "asyncio.Future[None]":
        """Done once the agency has read that the complaint is its own."""
        return self._arrived.setdefault(complaint, asyncio.get_running_loop().create_future())

    async def order(self, complaint: str, agency: str, verb: str) -> None:
        """Gives one order; returns when the broker has it, or when nobody can know."""
        order = _Order(complaint, agency, verb, str(uuid5(NAMESPACE_URL, f"fault-lab/{complaint}/{verb}")))
        value = order._asdict()
        number = self._history.invoke(f"agency-{agency}", "order", value)
        while True:
            await self._open.wait()
            message = await self._once(order)
            if message is not None or self._open.is_set():
                break
        self._note(number, value, message)
        if message is not None:
            self._given.append(order)
            self.carried += 1

    def _note(self, number: int, value: dict[str, Any], message: Any) -> None:
        process = f"agency-{value['agency']}"
        if message is None:
            self._history.outcome(process, number, "info", "order", value)
            return
        kind, stamp = message.timestamp()
        where = place(message.topic(), message.partition(), message.offset(), self._life)
        stamped = {"place": where, "stamp_ms": stamp if kind == STAMPED else None}
        self._history.outcome(process, number, "ok", "order", value | stamped)

    async def _once(self, order: "_Order") -> Any:
        """The record as the broker took it; None when nobody can know."""
        complaint, agency, verb, order_id = order
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
            async with self._serving:
                await asyncio.to_thread(self._producer.poll, 0.05)

    async def _read(self) -> None:
        while True:
            async with self._reading:
                messages = await asyncio.to_thread(self._consumer.consume, 500, 0.05)
            for message in messages:
                if message.error() is None and dict(message.headers() or ()).get("ce_type") == b"complaint.routed.v1":
                    _settle(self.arrived((message.key() or b"").decode()), None)


def _settle(waiting: "asyncio.Future[Any]", value: Any) -> None:
    if not waiting.done():
        waiting.set_result(value)
