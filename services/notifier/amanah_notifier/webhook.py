"""One attempt by webhook, signed by Standard Webhooks. Redirects are not followed: an address is what the pack says."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpcore
from standardwebhooks import Webhook

from amanah_notifier.guard import Forbidden, GuardedNetwork
from amanah_notifier.schedule import Accepted, GiveUp, Outcome, TryAgain, retry_after
from amanah_notifier.store import Claimed
from amanah_notifier.words import Catalogue

_ENOUGH = 64 * 1024
"""Of an answer's body nothing is needed; more than this is not even read."""


class WebhookSender:
    """`async with WebhookSender(...)`: keeps connections open between attempts."""

    def __init__(self, secret: str, catalogue: Catalogue, timeout_seconds: float, allow_local: bool) -> None:
        self._signer = Webhook(secret)
        self._catalogue = catalogue
        self._timeout = timeout_seconds
        self._https_only = not allow_local
        # Without a limit, and so without a queue; the worker limits how many attempts are under way. See contact.py.
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=None, keepalive_expiry=5, network_backend=GuardedNetwork(allow_local)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def send(self, notice: Claimed, address: str, at: datetime, _language: str | None) -> Outcome:
        """One attempt, at the real instant `at`."""
        if self._https_only and not address.startswith("https://"):
            return GiveUp("https_required", tried=False)
        content = body(notice, self._catalogue)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(address, content, signed(self._signer, notice, content, at))
        except Forbidden:
            return GiveUp("address_forbidden", tried=False)
        except (TimeoutError, httpcore.TimeoutException):
            return TryAgain("timeout")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return TryAgain("connection")

    async def _post(self, address: str, content: bytes, headers: Mapping[bytes | str, bytes | str]) -> Outcome:
        async with self._pool.stream("POST", address, headers=headers, content=content) as answer:
            read = 0
            async for chunk in answer.aiter_stream():
                read += len(chunk)
                if read > _ENOUGH:
                    break
            return judge(answer.status, {name.lower(): value for name, value in answer.headers})


def judge(status: int, headers: Mapping[bytes, bytes]) -> Outcome:
    """What an answer means. All but 2xx and 410 may pass, a redirect too: whoever moved will notice and tell us."""
    if 200 <= status < 300:
        return Accepted()
    if status == 410:
        return GiveUp("http 410", gone=True)
    wait = None
    if status in {429, 503}:
        wait = retry_after(_text(headers.get(b"retry-after")), _text(headers.get(b"date")))
    return TryAgain(f"http {status}", wait)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def body(notice: Claimed, catalogue: Catalogue) -> bytes:
    """Thin: that something happened, to which complaint, when; no narrative, no person. A late one does no harm."""
    content: dict[str, Any] = {
        "type": notice.about,
        "notice_id": str(notice.id),
        "complaint_id": str(notice.complaint_id),
        "recipient": notice.recipient,
        **{name: value for name, value in notice.facts.items() if value},
        "text": {language: catalogue.text(notice.template, language, notice.facts) for language in catalogue.languages},
    }
    return json.dumps(content, ensure_ascii=False).encode()


def signed(signer: Webhook, notice: Claimed, content: bytes, at: datetime) -> dict[bytes | str, bytes | str]:
    """The id is the notice's at every attempt; the timestamp is the attempt's, or a late one would pass for a replay."""
    at = at.astimezone(UTC)
    headers: dict[bytes | str, bytes | str] = {
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(content)),
        "user-agent": "amanah-notifier",
        "webhook-id": str(notice.id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signer.sign(str(notice.id), at, content.decode()),
    }
    if notice.traceparent:
        headers["traceparent"] = notice.traceparent
    return headers
