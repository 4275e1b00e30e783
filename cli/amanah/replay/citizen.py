"""Files each row over HTTP, as an import does, and writes down every acknowledged filing."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx

from amanah.fault import Fault
from amanah.replay.log import Rejected, Row

PATIENCE_SECONDS = 120.0
OURS = frozenset({401, 403, 404, 405})
"""Refusals that are not about the row: every other one would meet the same."""
LATER = frozenset({408, 425, 429})


class History:
    """What was acknowledged and what was sent, one JSON object a line, for `amanah verify`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w")

    def note(self, **entry: Any) -> None:
        self._file.write(
            json.dumps(entry, default=lambda v: v.isoformat() if isinstance(v, datetime) else str(v)) + "\n"
        )
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class Filed:
    """Rows that got their 201: source id to complaint id, and when each was sent (monotonic seconds); and those refused."""

    complaints: dict[str, UUID] = field(default_factory=dict)
    sent: dict[UUID, float] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)


class Citizen:
    """One HTTP client of intake."""

    def __init__(self, url: str, token: str, history: History) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self.history = history
        self.filed = Filed()

    async def file(self, row: Row) -> None:
        """Files one row, or writes down that intake refused it. An answer that does not come is asked for again under the
        same key, so the complaint is one."""
        key = str(uuid5(NAMESPACE_URL, f"amanah-replay/{row.source_id}"))
        body = {
            "category": row.category,
            "narrative": row.narrative,
            "region": row.region,
            "agency_named": row.agency,
            "channel": "import",
            "source_ref": row.source_id,
            "given_due_at": row.due.isoformat() if row.due else None,
        }
        started = monotonic()
        answer = await self._insist(key, {name: value for name, value in body.items() if value is not None})
        if isinstance(answer, str):
            self.filed.rejected.append(Rejected(row.line, row.source_id, answer))
            return
        complaint = UUID(answer["complaint_id"])
        self.filed.complaints[row.source_id] = complaint
        self.filed.sent[complaint] = started
        self.history.note(
            op="file",
            source_id=row.source_id,
            line=row.line,
            idempotency_key=key,
            status=201,
            complaint_id=complaint,
            created_at=row.created,
            due_at=row.due,
            closed_at=row.closed,
        )

    async def _insist(self, key: str, body: dict[str, Any]) -> dict[str, Any] | str:
        """Intake's answer, or the reason why it will never take this row."""
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = await self._http.post("/complaints", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as away:
                fault = f"intake does not answer ({type(away).__name__})"
            else:
                if response.status_code in {200, 201}:
                    answer: dict[str, Any] = response.json()
                    return answer
                fault = f"intake answered {response.status_code}: {response.text[:300]}"
                if response.status_code in OURS:
                    raise Fault(f"Nothing can be filed: {fault}")
                if response.status_code < 500 and response.status_code not in LATER:
                    return _reason(response)
            if monotonic() > deadline:
                raise Fault(f"Gave up filing after {PATIENCE_SECONDS:.0f} s: {fault}")
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        await self._http.aclose()


def _reason(response: httpx.Response) -> str:
    """What the problem details say, with the reason for each field that they name."""
    try:
        problem = response.json()
        errors = [f"{error['field']}: {error['reason']}" for error in problem.get("errors") or ()]
        said = "; ".join(errors) or str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        said = response.text
    return f"intake answered {response.status_code}: {said[:300]}"
