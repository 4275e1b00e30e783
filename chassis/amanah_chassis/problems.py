"""Errors over HTTP as RFC 9457 problem details: what is wrong, where, and what to do; never the value that was sent."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from amanah_chassis.errors import TRANSIENT

_SHOWN = 20
"""Faults of one request: enough to mend it, and no more, for whoever sends ten thousand."""
_NAME = 80
"""Characters of a field's name, which may come from outside."""
_SAID = {
    400: ("bad_request", "The body cannot be read: send JSON in UTF-8, not nested deeper than the form."),
    401: ("unauthorized", None),
    404: ("not_found", "There is nothing at this path; /openapi.json lists what there is."),
    405: ("method_not_allowed", "This path takes other methods; the header `Allow` and /openapi.json list them."),
    413: ("too_large", None),
}
"""Kind and words for what the framework says too shortly; None where its own do."""
_AWAY = (
    "The database does not answer just now. Send the same request again in two seconds; where it has an `Idempotency-Key`,"
    " with the same one."
)


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


MEDIA_TYPE = "application/problem+json"
_MEANS = {
    400: "The body cannot be read: it is no JSON in UTF-8, or nested too deeply.",
    401: "The credential is missing or wrong.",
    403: "The caller may not say this; `errors` names the fields.",
    404: "There is no such thing here.",
    409: "It contradicts how things stand; `type` says in what, `detail` how.",
    410: "It was here and has been erased.",
    413: "The body is too long.",
    422: "Something is not accepted; `errors` names each field with its reason.",
    429: "Too many at once; nothing is kept. Send the same request again after `Retry-After` seconds.",
    503: "What is needed does not answer just now. Send the same request again after `Retry-After` seconds.",
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What is wrong, where, and what to do (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:amanah:problem:", "description": "A stable word for programs."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses` of an app or an operation: what its OpenAPI document says of these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _MEANS[status], "content": content} for status in statuses}


def response(problem: Problem) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:amanah:problem:{problem.kind}",
        "title": problem.kind.replace("_", " "),
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = problem.errors
    # In ASCII: a field's name may hold half a character, which no other encoding takes.
    return Response(json.dumps(body), problem.status, problem.headers or None, MEDIA_TYPE)


def invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """422 from what pydantic found: each field with its reason, and nothing that it holds."""
    found = [{"field": _field(e["loc"])[:_NAME], "reason": str(e["msg"])} for e in islice(errors, _SHOWN)]
    fields = ", ".join(dict.fromkeys(e["field"] for e in found))
    return Problem(422, "invalid_request", f"Not accepted: {fields}. See `errors` for each reason.", found)


def install(app: Any) -> None:
    """Teaches a FastAPI app to answer with problem details, its own validation errors and an absent database included, and
    to describe them in its OpenAPI document."""
    from fastapi.exceptions import RequestValidationError

    made = app.openapi

    def with_problems() -> dict[str, Any]:
        document: dict[str, Any] = made()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _SCHEMA
        return document

    async def on_invalid(_: Request, error: RequestValidationError) -> Response:
        return response(invalid(error.errors()))

    async def on_world(_: Request, __: Exception) -> Response:
        return response(Problem(503, "unavailable", _AWAY, headers={"Retry-After": "2"}))

    install_plain(app)
    app.add_exception_handler(RequestValidationError, on_invalid)
    for error in TRANSIENT:
        app.add_exception_handler(error, on_world)
    app.openapi = with_problems


def install_plain(app: Any) -> None:
    """The same for an app of Starlette alone."""
    from starlette.exceptions import HTTPException

    async def on_problem(_: Request, problem: Problem) -> Response:
        return response(problem)

    async def on_http(_: Request, error: HTTPException) -> Response:
        kind, words = _SAID.get(error.status_code, ("http_error", None))
        return response(Problem(error.status_code, kind, words or str(error.detail), headers=error.headers))

    async def on_fault(_: Request, __: Exception) -> Response:
        # Raised again behind this answer, so it is logged.
        return response(Problem(500, "internal_error", "Something went wrong on our side. It has been logged."))

    app.add_exception_handler(Exception, on_fault)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)


def _field(location: tuple[Any, ...]) -> str:
    parts = [str(part) for part in location]
    return (
        ".".join(parts[1:]) if len(parts) > 1 and parts[0] in {"body", "header", "query", "path"} else ".".join(parts)
    )
