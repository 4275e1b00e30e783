"""The guard of internal HTTP: a shared secret as a bearer token, compared in constant time."""

import hmac
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amanah_chassis.problems import Problem, response

_DRAIN_LIMIT = 4 * 1024 * 1024
_OPEN = frozenset({"/openapi.json"})


def bearer(token: str) -> Callable[[Request], Awaitable[None]]:
    """A FastAPI dependency that answers 401 to whoever does not hold the token. ValueError: an empty one guards nothing.

    FastAPI reads and parses a body before it asks a dependency; where there are bodies, put a `Door` before the app."""
    holds = _held(token)

    async def check(request: Request) -> None:
        if not holds(request.headers):
            raise _stranger()

    return check


class Door:
    """Stands before an app that is wholly internal: `app.add_middleware(Door, token=…)`. Of a request without the token
    nothing is read, and of no request more than `limit` bytes are kept."""

    def __init__(self, app: ASGIApp, token: str, limit: int = 256 * 1024) -> None:
        self._app = app
        self._holds = _held(token)
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
        elif not self._holds(Headers(scope=scope)):
            await response(_stranger())(scope, receive, send)
        elif (body := await _read(Request(scope, receive), self._limit)) is None:
            await response(Problem(413, "too_large", f"The body may have {self._limit} bytes."))(scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)


def _held(token: str) -> Callable[[Headers], bool]:
    if not token.strip():
        raise ValueError("an empty token guards nothing")
    expected = f"Bearer {token}".encode()
    return lambda headers: hmac.compare_digest(headers.get("authorization", "").encode(), expected)


def _stranger() -> Problem:
    return Problem(401, "unauthorized", "Send the service token as `Authorization: Bearer …`.")


async def _read(request: Request, limit: int) -> bytes | None:
    """The body; None when it is too long. That is read away for a while, so that the client gets to see the answer."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif size > _DRAIN_LIMIT:
                break
    except ClientDisconnect:
        return None
    return b"".join(parts) if size <= limit else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands over a body that was read before, then whatever comes."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def first() -> Message:
        return whole.pop() if whole else await receive()

    return first
