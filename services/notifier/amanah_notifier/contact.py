"""Asks intake for a citizen's contact at the moment of sending. It is used once and kept nowhere."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID

import httpcore
from pydantic import BaseModel, ValidationError

_LONGEST_ANSWER = 16 * 1024
_AT_ONCE = 8
"""Enough for some hundred answers a second. Of every connection that it keeps, httpcore asks at each request whether it is
still good: with forty, a quarter of the notifier's time. Whoever waits does so here: httpcore's own queue loses a connection
for good when it gives one to a request that has just run out of time."""


class Unavailable(Exception):
    """Intake gave no answer that can be used; ask again later."""


class _Answer(BaseModel):
    email: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    email: str = field(repr=False)
    language: str | None


class Contacts:
    """Intake's internal door, opened by the service token."""

    def __init__(self, intake_url: str, token: str, timeout_seconds: float) -> None:
        self._url = intake_url.rstrip("/")
        self._headers: dict[bytes | str, bytes | str] = {
            "authorization": f"Bearer {token}",
            "accept": "application/json",
            # Intake records who read a contact, and what for.
            "amanah-caller": "notifier",
            "amanah-purpose": "notice",
        }
        self._timeout = timeout_seconds
        self._pool = httpcore.AsyncConnectionPool(max_connections=None, keepalive_expiry=5)
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def of(self, complaint_id: UUID) -> Contact | None:
        """The contact; None when there is none, or no longer. Raises Unavailable."""
        url = f"{self._url}/internal/complaints/{complaint_id}/contact"
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                answer = await self._pool.request("GET", url, headers=self._headers)
        except (
            TimeoutError,
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            OSError,
        ) as away:
            raise Unavailable(type(away).__name__) from None
        if answer.status in {404, 410}:
            return None
        if answer.status != 200 or len(answer.content) > _LONGEST_ANSWER:
            raise Unavailable(f"http {answer.status}")
        try:
            found = _Answer.model_validate_json(answer.content)
        except ValidationError:
            # The cause is dropped on purpose: it would quote the contact.
            raise Unavailable("unreadable answer") from None
        return Contact(found.email, found.language)
