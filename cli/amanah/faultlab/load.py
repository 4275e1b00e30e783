"""The citizens: complaints over HTTP at a steady rate, each insisted upon until it is answered, and what follows from it."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from time import time
from typing import Any
from urllib.parse import urlsplit

from amanah.faultlab.history import History
from amanah.faultlab.office import Office
from amanah.faultlab.plan import AFAR, Planned

ANSWER_SECONDS = 8.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 4.0
"""Before the next attempt of one that got no answer: at first short, then longer, or all who wait would together be a burst
that no service answers any more."""
LATER = frozenset({408, 425, 429})


NO_ANSWER = (OSError, TimeoutError, EOFError, ValueError)
"""No connection, none in time, or one that broke off."""


class Post:
    """One request on a connection of its own. A pool of connections, of which hundreds wait while a service is away, takes
    more time than the requests."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname, parts.port)
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"

    async def __call__(self, path: str, key: str, body: Any) -> tuple[int, bytes]:
        """Status and body. Raises NO_ANSWER."""
        content = json.dumps(body).encode()
        fields = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nIdempotency-Key: {key}\r\n"
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(*self._place)
            try:
                writer.write(f"POST {path} HTTP/1.1\r\n{self._head}{fields}\r\n".encode() + content)
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
                return int(head.split(b" ", 2)[1]), await reader.readexactly(int(length[1]) if length else 0)
            finally:
                writer.transport.abort()


class Load:
    """`run()` files until `stop()`; then `rest()` returns when everything begun has come to its end."""

    def __init__(
        self, plan: Iterator[Planned], rate: float, url: str, token: str, office: Office, history: History
    ) -> None:
        self._post = Post(url, token)
        self._plan = plan
        self.rate = rate
        self._office = office
        self._history = history
        self._stopped = asyncio.Event()
        self._begun: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self.last_due_ms = 0
        self.accepted = 0
        """Distinct complaints with a 201."""
        self.answered = 0
        """201s, also repeated ones."""
        self.unknown = 0

    async def run(self) -> None:
        """The steady rate."""
        loop = asyncio.get_running_loop()
        began, origin = loop.time(), None
        for planned in self._plan:
            origin = planned.at if origin is None else origin
            wait = began + planned.at - origin - loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(wait, 0)):
                    await self._stopped.wait()
            if self._stopped.is_set():
                return
            self._begin(planned)

    def burst(self, complaints: int) -> None:
        """So many at once, beside the steady rate."""
        for _ in range(complaints):
            self._begin(next(self._plan))

    def stop(self) -> None:
        """No new ones from now on."""
        self._stopped.set()

    async def rest(self, patience: float) -> int:
        """Waits for what was begun; answers how many complaints had not come to their end."""
        if self._begun:
            await asyncio.wait(self._begun, timeout=patience)
        left = list(self._begun)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    def _begin(self, planned: Planned) -> None:
        task = asyncio.create_task(self._live(planned))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _live(self, planned: Planned) -> None:
        """One complaint from its filing to its last order."""
        due_ms = None if planned.due_in is None else int((time() + planned.due_in) * 1000)
        if planned.due_in is not None and planned.due_in < AFAR:
            self.last_due_ms = max(self.last_due_ms, due_ms or 0)
        filing = asyncio.create_task(self._insist(planned, due_ms))
        if planned.again == "beside":
            await self._insist(planned, due_ms)
        complaint = await filing
        if complaint is None:
            return
        self.accepted += 1
        later = asyncio.create_task(self._again(planned, due_ms)) if planned.again == "later" else None
        if planned.steps:
            await self._office.arrived(complaint)
        for step in planned.steps:
            wait = step.after if step.to_due is None else (due_ms or 0) / 1000 + step.to_due - time()
            await asyncio.sleep(max(wait, 0))
            await self._office.order(complaint, planned.agency, step.verb)
        if later is not None:
            await later

    async def _again(self, planned: Planned, due_ms: int | None) -> None:
        await asyncio.sleep(planned.again_after)
        await self._insist(planned, due_ms)

    async def _insist(self, planned: Planned, due_ms: int | None) -> str | None:
        """The complaint's id; None when intake will never take it."""
        process = f"citizen-{next(self._numbers)}"
        value = {
            "key": planned.key,
            "source_ref": planned.source_ref,
            "agency": planned.agency,
            "due_ms": due_ms,
            "email": planned.identity["email"] if planned.identity else None,
            "canaries": planned.canaries,
        }
        pause = PAUSE_SECONDS
        while True:
            number = self._history.invoke(process, "file", value)
            kind, complaint, status = await self._attempt(planned, due_ms)
            answer = {"complaint_id": complaint, "status": status}
            self._history.outcome(process, number, kind, "file", value | answer)
            if kind == "ok":
                self.answered += 1
                return complaint
            if kind == "fail":
                return None
            self.unknown += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _attempt(self, planned: Planned, due_ms: int | None) -> tuple[str, str | None, int | None]:
        """`ok` and the complaint; `fail`: refused for certain; `info`: no answer, or one that does not say. And the status,
        if there was an answer."""
        try:
            status, body = await self._post("/complaints", planned.key, _body(planned, due_ms))
        except NO_ANSWER:
            return "info", None, None
        if status == 201:
            return "ok", json.loads(body)["complaint_id"], status
        if status < 500 and status not in LATER:
            return "fail", None, status
        return "info", None, status


def _body(planned: Planned, due_ms: int | None) -> dict[str, Any]:
    body = {
        "category": planned.category,
        "narrative": planned.narrative,
        "agency_named": planned.agency,
        "channel": "import",
        "language": "en",
        "source_ref": planned.source_ref,
        "given_due_at": datetime.fromtimestamp(due_ms / 1000, UTC).isoformat() if due_ms else None,
        "identity": planned.identity,
    }
    return {name: value for name, value in body.items() if value is not None}
