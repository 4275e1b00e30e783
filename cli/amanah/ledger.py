"""An append-only file of JSON lines, each fsynced before anybody is told that it is there."""

import asyncio
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Ledger:
    """Appends lines to a file; `append` returns once the line is fsynced. Concurrent lines share one fsync."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self.notices: set[str] = set()
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._fd = -1
        self._writer: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Takes up an earlier ledger; a last line torn by a crash was never answered and is cut off."""
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        os.ftruncate(self._fd, whole)
        for line in content[:whole].splitlines():
            self._count(str(json.loads(line)["notice"]))
        self._writer = asyncio.create_task(self._write())

    def _count(self, notice: str) -> None:
        self.lines += 1
        self.notices.add(notice)

    async def append(self, record: dict[str, Any]) -> None:
        line = (json.dumps({"at": datetime.now(UTC).isoformat()} | record, ensure_ascii=False) + "\n").encode()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, written))
        self._wake.set()
        await written
        self._count(record["notice"])

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(_append_and_sync, self._fd, b"".join(line for line, _ in batch))
            except OSError as failure:
                _settle(batch, failure)
            else:
                _settle(batch, None)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _append_and_sync(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.fsync(fd)


def _settle(batch: list[tuple[bytes, "asyncio.Future[None]"]], failure: OSError | None) -> None:
    for _, written in batch:
        if written.done():
            continue
        if failure is None:
            written.set_result(None)
        else:
            written.set_exception(failure)
