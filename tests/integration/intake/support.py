"""Intake as a process, and its HTTP side as clients of all kinds see it."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded

from amanah import project

COMPLAINT: dict[str, Any] = {
    "category": "Street Condition",
    "narrative": "The lamp at the corner has been out for a week.",
}


def make_intake(embedded: Embedded, home: Path, **more: str) -> ServiceProcess:
    database = more.pop("database", "") or embedded.database()
    return ServiceProcess(
        "intake", kafka=embedded.kafka, database=database, pack=project.pack("nyc311"), home=home, **more
    )


class Door:
    """One client of one intake. `trusted` requests carry the service token."""

    def __init__(self, intake: ServiceProcess) -> None:
        self.http = httpx.AsyncClient(base_url=intake.url, timeout=30)
        self.service = {"Authorization": f"Bearer {intake.secrets.token().read_text().strip()}"}

    async def __aenter__(self) -> "Door":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def file(
        self, key: str | None = None, *, trusted: bool = False, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """Files a sound complaint, with some fields otherwise; a fresh key unless one is given."""
        return await self.send(json.dumps(COMPLAINT | fields).encode(), key, trusted=trusted, headers=headers)

    async def send(
        self, body: bytes, key: str | None = None, *, trusted: bool = False, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        told = {"Idempotency-Key": key or str(uuid4())} | (self.service if trusted else {}) | (headers or {})
        return await self.http.post("/complaints", content=body, headers=told)

    async def filed(self, **fields: Any) -> dict[str, Any]:
        answer = await self.file(**fields)
        assert answer.status_code == 201, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def status(self, secret: str) -> httpx.Response:
        return await self.http.get("/complaints/status", headers={"Authorization": f"Bearer {secret}"})

    async def contact(self, complaint: str | UUID, **headers: str) -> httpx.Response:
        return await self.http.get(f"/internal/complaints/{complaint}/contact", headers=self.service | headers)

    async def erase(self, complaint: str | UUID) -> httpx.Response:
        return await self.http.post(f"/internal/complaints/{complaint}/erase", headers=self.service)


def is_problem(answer: httpx.Response, status: int, kind: str, *fields: str) -> bool:
    """RFC 9457, naming just these fields; shows what it was instead when it is not."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == (f"urn:amanah:problem:{kind}", status), body
    assert {error["field"] for error in body.get("errors", [])} == set(fields), body
    return True
