"""Errors over HTTP as RFC 9457 problem details: what is wrong, where, and what to do; never the value that was sent."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse


class Problem(Exception):
    """Raise it anywhere below an endpoint. `kind` is a stable word for programs, `detail` a sentence for people."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})


def response(problem: Problem) -> JSONResponse:
    body: dict[str, Any] = {
        "type": f"urn:amanah:problem:{problem.kind}",
        "title": problem.kind.replace("_", " "),
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return JSONResponse(
        body, status_code=problem.status, media_type="application/problem+json", headers=problem.headers or None
    )


def install(app: Any) -> None:
    """Teaches a FastAPI app to answer with problem details, its own validation errors included."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    async def on_problem(_: Request, problem: Problem) -> JSONResponse:
        return response(problem)

    async def on_invalid(_: Request, invalid: RequestValidationError) -> JSONResponse:
        errors = [{"field": _field(e["loc"]), "reason": str(e["msg"])} for e in invalid.errors()]
        fields = ", ".join(dict.fromkeys(e["field"] for e in errors))
        return response(
            Problem(422, "invalid_request", f"Not accepted: {fields}. See `errors` for each reason.", errors)
        )

    async def on_http(_: Request, error: HTTPException) -> JSONResponse:
        kind = {404: "not_found", 405: "method_not_allowed", 401: "unauthorized", 413: "too_large"}.get(
            error.status_code, "http_error"
        )
        return response(Problem(error.status_code, kind, str(error.detail), headers=error.headers))

    async def on_fault(_: Request, __: Exception) -> JSONResponse:
        # Raised again behind this answer, so it is logged.
        return response(Problem(500, "internal_error", "Something went wrong on our side. It has been logged."))

    app.add_exception_handler(Exception, on_fault)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def _field(location: tuple[Any, ...]) -> str:
    parts = [str(part) for part in location]
    return (
        ".".join(parts[1:]) if len(parts) > 1 and parts[0] in {"body", "header", "query", "path"} else ".".join(parts)
    )
