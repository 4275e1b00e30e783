"""The guard of internal HTTP: a shared secret as a bearer token, compared in constant time."""

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from amanah_chassis.problems import Problem


def bearer(token: str) -> Callable[[Request], Awaitable[None]]:
    """A FastAPI dependency that answers 401 to whoever does not hold the token. ValueError: an empty one guards nothing."""
    if not token.strip():
        raise ValueError("an empty token guards nothing")
    expected = f"Bearer {token}".encode()

    async def check(request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            raise Problem(401, "unauthorized", "Send the service token as `Authorization: Bearer …`.")

    return check
