"""A wire between a service and PostgreSQL that can be cut in one direction: statements arrive, answers do not.

`python -m amanah.faultlab.proxy` is the wire of one server: it reads the server's DSN and then commands, a line each, and
answers each with a line of JSON. The lab has it in a process of its own, where the load does not hold it up.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

CHUNK = 65_536


@dataclass
class Wire:
    """An async context manager: listens on a port of its own on loopback. While `cut` is set, the answer to each COMMIT is
    dropped and all that follows on its connection; `mend()` ends that and breaks the connections that lost one, as a network
    that comes back does. Cut at any answer, a client would never come as far as its COMMIT."""

    dsn: str
    """Of the server itself, by its Unix socket."""
    cut: bool = False
    swallowed: int = 0
    """Bytes of answers that were dropped."""
    commits: int = 0
    """COMMITs that went through and whose answers were dropped."""
    _hurt: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.mend()
        if self._server is not None:
            self._server.close()

    @property
    def through(self) -> str:
        """The DSN by which the server is reached through the wire."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self.dsn)
        secret = quote(parts.password or "", safe="%")
        return f"postgresql://{parts.username}:{secret}@127.0.0.1:{port}{parts.path}?sslmode=disable"

    def mend(self) -> None:
        """Answers go through again."""
        self.cut = False
        hurt, self._hurt = self._hurt, set()
        for writer in hurt:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        options = parse_qs(urlsplit(self.dsn).query)
        socket = f"{options['host'][0]}/.s.PGSQL.{options['port'][0]}"
        with suppress(OSError, asyncio.CancelledError):  # the wire is being taken down
            answers, statements = await asyncio.open_unix_connection(socket)
            try:
                await asyncio.gather(self._there(reader, statements, writer), self._back(answers, writer))
            finally:
                statements.close()
                writer.close()

    async def _there(
        self, reader: asyncio.StreamReader, statements: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if self.cut and b"COMMIT" in data:
                self.commits += 1
                self._hurt.add(writer)
            statements.write(data)
            await statements.drain()
        statements.close()

    async def _back(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await answers.read(CHUNK):
            if writer in self._hurt:
                self.swallowed += len(data)
            else:
                writer.write(data)
                await writer.drain()
        writer.close()


class Remote:
    """The lab's end of a wire in a process of its own."""

    def __init__(self, process: Process, through: str) -> None:
        self._process = process
        self.through = through
        """The DSN by which the server is reached through it."""

    @classmethod
    async def start(cls, dsn: str) -> "Remote":
        """A wire that passes both ways."""
        command = (sys.executable, "-m", "amanah.faultlab.proxy")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        made = cls(process, "")
        made.through = (await made.ask(dsn))["through"]
        return made

    async def ask(self, command: str) -> dict[str, Any]:
        """`cut`, `mend` or `count`; answers what was dropped so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        await self._process.stdin.drain()
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer

    async def end(self) -> None:
        """Hangs up."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def _serve() -> None:
    """Until whoever started it hangs up."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Wire((await lines.readline()).decode().strip()) as wire:
        print(json.dumps({"through": wire.through}), flush=True)
        while command := (await lines.readline()).strip():
            if command == b"cut":
                wire.cut = True
            elif command == b"mend":
                wire.mend()
            print(json.dumps({"swallowed": wire.swallowed, "commits": wire.commits}), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
