"""The citizens: complaints over HTTP at a steady rate, each insisted upon until it is answered, and what follows from it."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from time import time
from typing import Any

import httpx

from amanah.faultlab.history import History
from amanah.faultlab.office import Office
from amanah.faultlab.plan import AFAR, Planned

ANSWER_SECONDS = 8.0
PAUSE_SECONDS = 0.25
LATER = frozenset({408, 425, 429})


class Load:
    """`run()` files until `stop()`; then `rest()` returns when everything begun has come to its end."""

    def __init__(
        self, plan: Iterator[Planned], rate: float, url: str, token: str, office: Office, history: History
    ) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_SECONDS, limits=limits
        )
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
        await self._http.aclose()
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
        while True:
            number = self._history.invoke(process, "file", value)
            kind, complaint = await self._attempt(planned, due_ms)
            self._history.outcome(process, number, kind, "file", value | {"complaint_id": complaint})
            if kind == "ok":
                self.answered += 1
                return complaint
            if kind == "fail":
                return None
            self.unknown += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _attempt(self, planned: Planned, due_ms: int | None) -> tuple[str, str | None]:
        """`ok` and the complaint; `fail`: refused for certain; `info`: no answer, or one that does not say."""
        try:
            answer = await self._http.post(
                "/complaints", json=_body(planned, due_ms), headers={"Idempotency-Key": planned.key}
            )
        except httpx.TransportError:
            return "info", None
        if answer.status_code == 201:
            return "ok", answer.json()["complaint_id"]
        if answer.status_code < 500 and answer.status_code not in LATER:
            return "fail", None
        return "info", None


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
