"""Liveness, readiness and metrics, beside a service's own HTTP side."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amanah_chassis import metrics, problems

Check = Callable[[], Awaitable[str | None]]
"""Answers None when well, else what is wrong in a few words."""


def make_http(checks: dict[str, Check], service_app: ASGIApp | None) -> ASGIApp:
    """`/livez` says that the process turns; `/readyz` that Kafka and Postgres do, so only that one depends on them."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        faults = {name: fault for name, check in checks.items() if (fault := await check()) is not None}
        return JSONResponse({"ready": not faults, "faults": faults}, status_code=503 if faults else 200)

    async def scrape(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    routes: list[BaseRoute] = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", scrape)]
    if service_app is not None:
        routes.append(Mount("/", app=_Measured(service_app)))
    app = Starlette(routes=routes)
    problems.install_plain(app)
    return app


class _Measured:
    """Times each request by its route's pattern, so that no id becomes a label."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, code = perf_counter(), "500"

        async def watch(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route: Any = scope.get("route")
            metrics.HTTP_SECONDS.labels(getattr(route, "path", "none"), code).observe(perf_counter() - started)
