"""Intake over HTTP: file a complaint, follow it by its secret; and, behind the service token, contact and erasure.

Bodies are read and parsed here, not by the framework: once, with a limit, and without an echo of what was sent.
"""

import hmac
import re
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import ValidationError
from starlette.responses import JSONResponse

from amanah_chassis import problems, telemetry
from amanah_chassis.chassis import Chassis
from amanah_chassis.guard import bearer
from amanah_chassis.problems import Problem
from amanah_intake import metrics, vaultroom
from amanah_intake.domain.form import Form
from amanah_intake.filing import Caller, Desk, Intake
from amanah_intake.following import Followed, follow
from amanah_intake.openapi import FILING, describe

BODY_LIMIT = 256 * 1024
_DRAIN_LIMIT = 4 * 1024 * 1024
_KEY = re.compile(r"[\x21-\x7e]{8,200}")
_PRIVATE = {"Cache-Control": "no-store"}
_SOON = {"Retry-After": "2"}
_TOO_BUSY = (
    "So many complaints are being filed that this one was not taken; nothing of it is kept. Send the same request again in"
    " two seconds, with the same `Idempotency-Key`."
)


def make_api(intake: Intake, chassis: Chassis) -> FastAPI:
    """POST /complaints, GET /complaints/status, GET /internal/complaints/{id}/contact, POST …/erase."""
    responses = problems.answers(401, 422, 503)
    app = FastAPI(title="Amanah intake", version="1", docs_url=None, redoc_url=None, responses=responses)
    problems.install(app)
    token = chassis.settings.service_token()
    _add_filing(app, intake, chassis, f"Bearer {token}".encode())
    _add_following(app, chassis)
    _add_internal(app, intake, chassis, token)
    describe(app)
    return app


def _add_filing(app: FastAPI, intake: Intake, chassis: Chassis, service: bytes) -> None:
    desk, most = Desk(intake, chassis), chassis.settings.filings_at_once
    under_way = 0

    @app.post("/complaints", status_code=201, openapi_extra=FILING, responses=problems.answers(403, 410, 413, 429))
    async def file_complaint(request: Request) -> Response:
        nonlocal under_way
        under_way += 1
        try:
            if under_way > most:
                raise Problem(429, "too_busy", _TOO_BUSY, headers=_SOON)
            caller = _caller(request, service)
            form = parsed(await _body(request))
            with telemetry.span("POST /complaints", request.headers.get("traceparent")) as onward:
                answer = await desk.file(form, caller, onward)
        except Problem as refused:
            metrics.REJECTED.labels(refused.kind).inc()
            raise
        finally:
            under_way -= 1
        headers = _PRIVATE | {"Idempotent-Replay": "true"} if answer.repeated else _PRIVATE
        return Response(answer.body, 201, headers, "application/json")


def _add_following(app: FastAPI, chassis: Chassis) -> None:
    @app.get("/complaints/status", responses={200: {"model": Followed}, **problems.answers(404)})
    async def status(authorization: Annotated[str | None, Header()] = None) -> Response:
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Problem(
                401,
                "unauthorized",
                "Send the tracking secret as `Authorization: Bearer …`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        shown = await follow(chassis, secret.strip())
        if shown is None:
            raise Problem(404, "not_found", "No complaint is followed by this secret.", headers=_PRIVATE)
        return Response(shown.model_dump_json(), headers=_PRIVATE, media_type="application/json")


def _add_internal(app: FastAPI, intake: Intake, chassis: Chassis, token: str) -> None:
    guarded = [Depends(bearer(token))]

    absent = problems.answers(404)

    @app.get("/internal/complaints/{complaint_id}/contact", dependencies=guarded, responses=absent)
    async def contact(
        complaint_id: UUID,
        amanah_caller: Annotated[Literal["notifier", "casework", "service"], Header()] = "service",
        amanah_purpose: Annotated[str, Header(pattern=r"^[\x20-\x7e]{1,120}$")] = "notice",
    ) -> Response:
        found = await vaultroom.contact(intake, chassis, complaint_id, amanah_caller, amanah_purpose)
        if found is None:
            raise Problem(404, "not_found", "There is no contact for this complaint.", headers=_PRIVATE)
        return JSONResponse(found, headers=_PRIVATE)

    @app.post("/internal/complaints/{complaint_id}/erase", status_code=204, dependencies=guarded, responses=absent)
    async def erase(complaint_id: UUID) -> Response:
        if not await vaultroom.erase(chassis, complaint_id):
            raise Problem(404, "not_found", "There is no such complaint.")
        return Response(status_code=204)


def _caller(request: Request, service: bytes) -> Caller:
    """Who files, by credential and key. A wrong credential is refused, never taken for none."""
    authorization = request.headers.get("authorization")
    if authorization is not None and not hmac.compare_digest(authorization.encode(), service):
        raise Problem(401, "unauthorized", "The service token is wrong. Citizens file without `Authorization`.")
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise Problem(
            422,
            "idempotency_key_missing" if not keys else "idempotency_key_invalid",
            "Send one header `Idempotency-Key` of 8 to 200 visible ASCII characters, the same at every retry.",
            [{"field": "Idempotency-Key", "reason": "8 to 200 visible ASCII characters, once"}],
        )
    return Caller(authorization is not None, keys[0])


async def _body(request: Request) -> bytes:
    """The body, or 413. What is too long is read away for a while, so that the client gets to see the answer."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= BODY_LIMIT:
            parts.append(part)
        elif size > _DRAIN_LIMIT:
            break
    if size > BODY_LIMIT:
        raise Problem(413, "too_large", f"The body may have {BODY_LIMIT} bytes.")
    return b"".join(parts)


def parsed(body: bytes) -> Form:
    """The form in a body of JSON. Raises Problem, naming the fields that are wrong and nothing that they hold."""
    try:
        return Form.model_validate_json(body)
    except ValidationError as invalid:
        # Twenty faults are enough to mend a form; a field's name comes from outside, so it is cut.
        faults: list[Any] = invalid.errors(include_input=False, include_url=False, include_context=False)[:20]
        errors = [
            {
                "field": ".".join(map(str, e["loc"]))[:80] or "body",
                "reason": str(e["msg"]).removeprefix("Value error, "),
            }
            for e in faults
        ]
        fields = ", ".join(dict.fromkeys(e["field"] for e in errors))
        raise Problem(
            422, "invalid_request", f"Not accepted: {fields}. See `errors` for each reason.", errors
        ) from None
