"""The wire passes both ways, drops one way when it is cut, and breaks what it has hurt."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from amanah.faultlab.proxy import Wire

HEARD: list[bytes] = []


@asynccontextmanager
async def echo() -> AsyncIterator[Wire]:
    """A wire to a server that answers what it hears."""
    HEARD.clear()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            HEARD.append(data)
            writer.write(data)
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(answer, Path(folder) / ".s.PGSQL.5432")
        try:
            async with Wire(f"postgresql://me:se%2Fcret@/mine?host={folder}&port=5432") as wire:
                yield wire
        finally:
            server.close()


async def connected(wire: Wire) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(wire.through)
    assert (parts.username, parts.password, parts.path) == ("me", "se%2Fcret", "/mine")
    return await asyncio.open_connection(parts.hostname, parts.port)


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(10) == b""
    except ConnectionError:
        return True


async def test_both_ways() -> None:
    async with echo() as wire:
        reader, writer = await connected(wire)
        writer.write(b"COMMIT")
        assert await reader.read(10) == b"COMMIT"
        assert (wire.swallowed, wire.commits) == (0, 0)
        writer.close()


async def test_cut_what_is_said_arrives_and_no_answer_comes_back() -> None:
    async with echo() as wire:
        reader, writer = await connected(wire)
        wire.cut = True
        writer.write(b"BEGIN")
        assert await reader.read(10) == b"BEGIN"
        writer.write(b"COMMIT")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(10)
        assert HEARD == [b"BEGIN", b"COMMIT"]
        assert (wire.swallowed, wire.commits) == (6, 1)
        wire.mend()
        assert await ended(reader)
        again, anew = await connected(wire)
        anew.write(b"x")
        assert await again.read(10) == b"x"
        anew.close()
        writer.close()
