"""What clients did and were told: one JSON object a line, on disk before the run is judged by it."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from time import monotonic_ns, time
from typing import Any, Self

from amanah.faultlab.model import Op

SYNC_SECONDS = 0.05


class History:
    """An async context manager. Lines are written and fsynced together, every 50 ms, by a thread: whoever measures must not
    wait for a disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ops: list[Op] = []
        self._ids = count(1)
        self._file = path.open("a")
        self._syncing: asyncio.Task[None] | None = None
        self._ended = False

    async def __aenter__(self) -> Self:
        self._syncing = asyncio.create_task(self._sync())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = True
        if self._syncing is not None:
            await self._syncing
        self._file.close()

    async def _sync(self) -> None:
        kept = 0
        while not self._ended or kept < len(self.ops):
            if kept < (now := len(self.ops)):
                await asyncio.to_thread(self._keep, self.ops[kept:now])
                kept = now
            await asyncio.sleep(SYNC_SECONDS)

    def _keep(self, ops: Sequence[Op]) -> None:
        self._file.write("".join(json.dumps(asdict(op)) + "\n" for op in ops))
        self._file.flush()
        os.fsync(self._file.fileno())

    def invoke(self, process: str, f: str, value: Mapping[str, Any]) -> int:
        """Something is about to be tried; answers the id by which its outcome is told."""
        number = next(self._ids)
        self._note(process, number, "invoke", f, value)
        return number

    def outcome(self, process: str, op_id: int, kind: str, f: str, value: Mapping[str, Any]) -> None:
        """`ok`, `fail` or `info` of what was invoked under this id."""
        self._note(process, op_id, kind, f, value)

    def note(self, process: str, f: str, value: Mapping[str, Any], kind: str = "info") -> None:
        """Something that has no outcome of its own."""
        self._note(process, next(self._ids), kind, f, value)

    def _note(self, process: str, op_id: int, kind: str, f: str, value: Mapping[str, Any]) -> None:
        self.ops.append(Op(process, op_id, kind, f, dict(value), monotonic_ns(), time()))


def read(path: Path) -> list[Op]:
    """A history from its file."""
    return [Op(**json.loads(line)) for line in path.read_text().splitlines()]
