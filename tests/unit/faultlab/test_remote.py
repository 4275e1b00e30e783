"""The wire in a process of its own does as it is told."""

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from amanah.faultlab.proxy import Remote


async def test_it_is_cut_counted_mended_and_ended() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(answer, Path(folder) / ".s.PGSQL.5432")
        remote = await Remote.start(f"postgresql://me:secret@/mine?host={folder}&port=5432")
        port = urlsplit(remote.through).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await reader.read(10) == b"x"
        await remote.ask("cut")
        writer.write(b"COMMIT")
        async with asyncio.timeout(10):
            while await remote.ask("count") != {"swallowed": 6, "commits": 1}:
                await asyncio.sleep(0.01)
        await remote.ask("mend")
        writer.close()
        await remote.end()
        server.close()
