"""Who files over HTTP in a bench: raw sockets that are kept open and requests rendered by hand, so that the generator takes
little of the two cores which it shares with what it measures. As a process it prints what it saw, its own CPU time included.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from typing import cast
from uuid import uuid4

import uvloop

from amanah.bench.lateness import percentile

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """`cpu_seconds`: what the generator itself used while it measured."""

    filings: int
    warm_up: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.filings / self.seconds


def bodies(agency: str | None = None) -> Iterator[bytes]:
    """Complaints with an identity to be sealed and a narrative to be masked."""
    for number in count():
        form = {
            "category": "Street Light Condition",
            "narrative": f"The street light before school {number} has been dark for two weeks, and children walk there.",
            "region": "BROOKLYN",
            "language": "en",
            "identity": {"name": "A Citizen", "email": f"citizen-{number}@example.org"},
        } | ({"agency_named": agency} if agency else {})
        yield json.dumps(form).encode()


def request(body: bytes) -> bytes:
    """One filing, with an Idempotency-Key of its own."""
    head = (
        f"POST /complaints HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def complete(received: bytes) -> tuple[int, bytes] | None:
    """Status and body of an answer; None while some of it is missing. Raises ValueError where its length is not said."""
    head, end, body = received.partition(_HEAD_END)
    if not end:
        return None
    length = _LENGTH.search(head + b"\r\n")
    if length is None:
        raise ValueError("an answer without Content-Length")
    size = int(length[1])
    return (int(head[9:12]), body[:size]) if len(body) >= size else None


class Client(asyncio.Protocol):
    """One connection; `ask` again only when it was answered."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.lost = False
        """The server has closed it, as it does with one on which nothing was asked for some seconds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._received += data
        if (answer := complete(self._received)) is not None:
            self._received = b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before it answered"))

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError when the connection is lost before the answer."""
        if self.lost:
            raise ConnectionResetError("closed before it was asked")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        self._answer = None
        self._transport.close()


async def connect(port: int) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    return client


async def load(port: int, clients: int, seconds: float) -> Seen:
    """Each client files again as soon as it is answered. Raises RuntimeError for any answer but 201."""
    connected = [await connect(port) for _ in range(clients)]
    taken: list[float] = []
    filings = bodies()

    async def file(client: Client, until: float) -> None:
        while (started := time.perf_counter()) < until:
            status, _ = await client.ask(request(next(filings)))
            taken.append((time.perf_counter() - started) * 1000)
            if status != 201:
                raise RuntimeError(f"answered {status}")

    async def all_of_them(for_seconds: float) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(file(client, began + for_seconds) for client in connected))
        return time.perf_counter() - began

    await all_of_them(WARM_UP_SECONDS)
    warm_up = len(taken)
    taken.clear()
    used = time.process_time()
    passed = await all_of_them(seconds)
    used = time.process_time() - used
    for client in connected:
        client.close()
    return Seen(len(taken), warm_up, passed, percentile(taken, 0.5), percentile(taken, 0.99), used)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))))
