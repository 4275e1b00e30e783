"""The door to intake, when it does not open for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from amanah_notifier.contact import Contact, Contacts, Unavailable

BODY = b'{"email": "clerk@example.org", "language": "id"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Door:
    """Answers only while it is `open`; so whoever came before has run out of time."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.most = self.inside = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self.open.wait()
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self.inside -= 1


@asynccontextmanager
async def door() -> AsyncIterator[tuple[Door, str]]:
    it = Door()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    try:
        yield it, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        it.open.set()
        server.close()


async def test_after_very_many_have_waited_in_vain_the_next_ones_are_answered() -> None:
    """All give up at one instant, as when intake is away; none of them may keep a place for good."""
    async with (
        door() as (it, url),
        Contacts(
            url,
            "token",
            0.3,
        ) as contacts,
    ):
        for _ in range(3):
            tried = await asyncio.gather(*(contacts.of(uuid4()) for _ in range(60)), return_exceptions=True)
            assert [type(outcome) for outcome in tried] == [Unavailable] * 60
        it.open.set()
        found = await asyncio.gather(*(contacts.of(uuid4()) for _ in range(60)))
        assert found == [Contact("clerk@example.org", "id")] * 60
        assert it.most <= 8 * 4, "a few at a time"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "http 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "unreadable answer"),
        (b"", "RemoteProtocolError"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_named_without_what_it_holds(answer: bytes, why: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Contacts(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "token", 2) as contacts:
        with pytest.raises(Unavailable, match=why):
            await contacts.of(uuid4())
    server.close()
