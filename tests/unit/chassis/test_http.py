"""What the chassis answers over HTTP: problems, the guard, health."""

import json
from typing import Any

import asyncpg
import httpx
import jsonschema
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.requests import Request

from amanah_chassis import health, problems
from amanah_chassis.errors import DatabaseAway
from amanah_chassis.guard import bearer
from amanah_chassis.problems import Problem


class Form(BaseModel):
    name: str
    parts: list[int]


def make_app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post("/forms")
    async def form(form: Form) -> dict[str, str]:
        return {"name": form.name}

    @app.get("/gone")
    async def gone() -> None:
        raise Problem(410, "gone_for_good", "It is gone.", [{"field": "x", "reason": "old"}], {"Retry-After": "9"})

    @app.get("/inside", dependencies=[Depends(bearer("t0ken"))])
    async def inside() -> dict[str, bool]:
        return {"in": True}

    return app


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_a_validation_error_names_the_field_and_not_the_value() -> None:
    async with client(make_app()) as http:
        answer = await http.post("/forms", json={"name": "ok", "parts": [1, "s3cret"]})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    body = answer.json()
    assert body["type"] == "urn:amanah:problem:invalid_request"
    assert [error["field"] for error in body["errors"]] == ["parts.1"]
    assert "parts.1" in body["detail"]
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    "fault", [DatabaseAway(), ConnectionRefusedError(), asyncpg.TooManyConnectionsError()], ids=repr
)
async def test_a_database_that_is_away_is_no_fault_of_ours_or_of_the_sender(fault: Exception) -> None:
    app = make_app()

    @app.get("/kept")
    async def kept() -> None:
        raise fault

    async with client(app) as http:
        answer = await http.get("/kept")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["type"] == "urn:amanah:problem:unavailable"
    assert "again" in answer.json()["detail"]


async def test_the_document_tells_of_problems_and_not_of_what_the_framework_would_say() -> None:
    app = FastAPI(responses=problems.answers(422))
    problems.install(app)

    @app.post("/forms", responses=problems.answers(404))
    async def form(form: Form) -> dict[str, str]:
        return {"name": form.name}

    async with client(app) as http:
        document = (await http.get("/openapi.json")).json()
    told = document["paths"]["/forms"]["post"]["responses"]
    assert {status: list(said.get("content", ())) for status, said in told.items()} == {
        "200": ["application/json"],
        "404": ["application/problem+json"],
        "422": ["application/problem+json"],
    }
    shape = document["components"]["schemas"]["Problem"]
    jsonschema.validate(json.loads(bytes(problems.response(Problem(404, "not_found", "No.")).body)), shape)
    assert "HTTPValidationError" not in json.dumps(document)


async def test_a_problem_keeps_status_errors_and_headers() -> None:
    async with client(make_app()) as http:
        answer = await http.get("/gone")
    assert (answer.status_code, answer.headers["retry-after"]) == (410, "9")
    assert answer.json() == {
        "type": "urn:amanah:problem:gone_for_good",
        "title": "gone for good",
        "status": 410,
        "detail": "It is gone.",
        "errors": [{"field": "x", "reason": "old"}],
    }


async def test_errors_of_the_framework_are_problems_too() -> None:
    async with client(make_app()) as http:
        missing, method = await http.get("/nowhere"), await http.get("/forms")
        broken = await http.post("/forms", content=b"{", headers={"content-type": "application/json"})
    assert [answer.json()["type"].rpartition(":")[2] for answer in (missing, method, broken)] == [
        "not_found",
        "method_not_allowed",
        "invalid_request",
    ]
    assert method.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (b"Bearer t0ken", 200),
        (b"Bearer t0ken ", 200),  # HTTP itself drops blanks around a value
        (b"bearer t0ken", 401),
        (b"Bearer t0ke", 401),
        (b"Bearer ", 401),
        (b"t0ken", 401),
        (b"Bearer t\xf6ken", 401),
        (None, 401),
    ],
)
async def test_the_guard(authorization: bytes | None, code: int) -> None:
    headers = [(b"authorization", authorization.strip() if code == 200 else authorization)] if authorization else []
    async with client(make_app()) as http:
        answer = await http.get("/inside", headers=headers)
    assert answer.status_code == code


@pytest.mark.parametrize("token", ["", " "])
def test_a_guard_without_a_secret_is_not_made(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        bearer(token)


async def test_liveness_depends_on_nothing_and_readiness_names_what_is_away() -> None:
    async def well() -> str | None:
        return None

    async def away() -> str | None:
        return "does not answer"

    async with client(health.make_http({"postgres": well, "kafka": away}, None)) as http:
        live, ready, scrape = await http.get("/livez"), await http.get("/readyz"), await http.get("/metrics")
    assert (live.status_code, live.text) == (200, "ok")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "faults": {"kafka": "does not answer"}})
    assert "amanah_outbox_unpublished" in scrape.text


async def test_ready_when_all_is_well() -> None:
    async def well() -> str | None:
        return None

    async with client(health.make_http({"postgres": well}, None)) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "faults": {}})


async def test_a_request_is_measured_by_its_route_and_never_by_an_id() -> None:
    app = FastAPI()

    @app.get("/things/{name}")
    async def thing(name: str) -> str:
        return name

    @app.get("/broken")
    async def broken(_: Request) -> None:
        raise RuntimeError

    async with client(health.make_http({}, app)) as http:
        await http.get("/things/s3cret")
        await http.get("/nowhere/s3cret")
        with pytest.raises(RuntimeError):
            await http.get("/broken")
        scrape = (await http.get("/metrics")).text
    assert 'route="/things/{name}"' in scrape
    assert 'amanah_http_request_duration_seconds_count{code="500",route="/broken"}' in scrape
    assert "s3cret" not in scrape
