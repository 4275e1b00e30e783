"""Citizens who file at a steady rate and insist until they are answered; each complaint's agency then does its part."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic
from uuid import UUID, uuid4

import httpx

from amanah.fault import Fault
from amanah.replay.citizen import LATER, History
from amanah.replay.log import Row
from amanah.replay.office import Office
from amanah.soak.life import CATEGORY, NARRATIVE, Life, life

ANSWER_SECONDS = 15.0
PATIENCE_SECONDS = 90.0


class Crowd:
    """`run()` files until `stop()`; `rest()` returns when what was begun has come to its end."""

    def __init__(
        self, rate: float, seed: int, agencies: list[str], url: str, token: str, office: Office, history: History
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )
        self._rate = rate
        self._chance = Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._run = uuid4().hex[:8]
        self._agencies = agencies
        self._office = office
        self._history = history
        self._stopped = asyncio.Event()
        self._begun: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self.filed = 0
        """Distinct complaints with a 201."""
        self.tries = 0
        self.slowest = 0.0
        """Seconds that a citizen waited for the answer, with all tries."""
        self.last_due = datetime.now(UTC)

    async def run(self) -> None:
        """One complaint each 1/rate seconds; what a pause of ours delayed is caught up with."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while not self._stopped.is_set():
            number += 1
            task = asyncio.create_task(self._live(number, life(self._chance, number, self._agencies)))
            self._begun.add(task)
            task.add_done_callback(self._done)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(began + number / self._rate - loop.time(), 0)):
                    await self._stopped.wait()

    def stop(self) -> None:
        """No new ones from now on."""
        self._stopped.set()

    async def rest(self, patience: float) -> None:
        """Raises what befell a citizen or an agency, and Fault when something does not come to its end."""
        if self._begun:
            await asyncio.wait(self._begun, timeout=patience)
        left = list(self._begun)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._http.aclose()
        if self._fault is not None:
            raise self._fault
        if left:
            raise Fault(f"{len(left)} complaints had no end {patience:.0f} s after the load's.")

    def _done(self, task: "asyncio.Task[None]") -> None:
        """A citizen in vain ends the load."""
        self._begun.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault
            self._stopped.set()

    async def _live(self, number: int, planned: Life) -> None:
        ref, began = f"soak-{self._run}-{number}", monotonic()
        now = datetime.now(UTC).replace(microsecond=0)
        due = now + timedelta(seconds=planned.due_in) if planned.due_in is not None else None
        complaint = await self._file(ref, planned, due)
        self.slowest = max(self.slowest, monotonic() - began)
        self.filed += 1
        closed = None if planned.answer_in is None else now + timedelta(seconds=planned.answer_in)
        self._history.note(
            op="file", source_id=ref, complaint_id=complaint, created_at=now, due_at=due, closed_at=closed, status=201
        )
        if due is not None and planned.due_in is not None and planned.due_in < 3600:
            self.last_due = max(self.last_due, due)
        if closed is None:
            return
        await asyncio.sleep(max((closed - datetime.now(UTC)).total_seconds(), 0))
        # Without a claimed instant: when it was received is what counts.
        await self._office.resolve(_row(ref, now), complaint)

    async def _file(self, ref: str, planned: Life, due: datetime | None) -> UUID:
        body = {
            "category": CATEGORY,
            "narrative": NARRATIVE,
            "agency_named": planned.agency,
            "channel": "import",
            "language": "en",
            "source_ref": ref,
            "given_due_at": due.isoformat() if due else None,
            "identity": {"name": "A citizen", "email": planned.email} if planned.email else None,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            self.tries += 1
            fault = "no answer"
            with suppress(httpx.TransportError):
                answer = await self._http.post("/complaints", json=sent, headers={"Idempotency-Key": ref})
                if answer.status_code == 201:
                    return UUID(answer.json()["complaint_id"])
                fault = f"{answer.status_code}: {answer.text[:200]}"
                if answer.status_code < 500 and answer.status_code not in LATER:
                    raise Fault(f"Intake refuses what the soak files: {fault}")
            if monotonic() > deadline:
                raise Fault(f"Gave up filing after {PATIENCE_SECONDS:.0f} s: {fault}")
            await asyncio.sleep(0.25)


def _row(ref: str, created: datetime) -> Row:
    return Row(0, ref, created, None, None, None, CATEGORY, NARRATIVE, None)
