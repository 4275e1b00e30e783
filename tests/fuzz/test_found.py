"""What the fuzzers found, each as its smallest example, where no server is needed to see it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict

from amanah_casework.domain import Case
from amanah_casework.orders import execute, order_of
from amanah_chassis import health, problems
from amanah_chassis.guard import Door
from amanah_contracts.agency import DeclineCase, ReplyToCase
from amanah_contracts.casework import CaseDeclined, CaseReplied

# -- HTTP ----------------------------------------------------------------------------------------------------------------


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


def make_app() -> Any:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Door, token="t0ken", limit=1000)

    @app.post("/forms")
    async def form(form: Form) -> dict[str, str]:
        return {"name": form.name}

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    return health.make_http({}, app)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app())
    headers = {"authorization": "Bearer t0ken", "content-type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


def kind(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20
    return str(answer.json()["type"]).removeprefix("urn:amanah:problem:")


@pytest.mark.parametrize("body", [b"{", b"[" * 500, b"\xff", b"{}", b"x" * 5000])
async def test_nothing_is_read_of_a_stranger(http: httpx.AsyncClient, body: bytes) -> None:
    """The framework parses a body, of any length, before it asks who sends it: 422 and 400 for whoever had no token."""
    answer = await http.post("/forms", content=body, headers={"authorization": "Bearer t0ke"})
    assert (answer.status_code, kind(answer)) == (401, "unauthorized")


async def test_no_more_is_kept_of_a_body_than_its_limit(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    for content in (b"x" * 1001, chunks()):
        answer = await http.post("/raw", content=content)
        assert (answer.status_code, kind(answer)) == (413, "too_large")
        assert "1000 bytes" in answer.json()["detail"]
    assert (await http.post("/raw", content=b"x" * 1000)).json() == {"length": 1000}
    assert (await http.post("/raw", content=b"")).json() == {"length": 0}


async def test_a_field_that_is_half_a_character_is_named(http: httpx.AsyncClient) -> None:
    answer = await http.post("/forms", content=b'{"name": "x", "\\ud800": 1}')
    assert (answer.status_code, kind(answer)) == (422, "invalid_request")
    named = problems.response(problems.invalid([{"loc": ("body", "\ud800"), "msg": "unknown"}]))
    assert json.loads(bytes(named.body))["errors"] == [{"field": "\ud800", "reason": "unknown"}]


async def test_thousands_of_unknown_fields_are_a_short_answer(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/forms", content=json.dumps({f"f{n}" + "x" * 200: n for n in range(4)} | {"a": 1}).encode()[:990]
    )
    assert answer.status_code == 422
    many = problems.invalid([{"loc": ("body", f"f{n}" + "x" * 200), "msg": "unknown"} for n in range(5000)])
    assert len(many.errors) == 20
    assert len(problems.response(many).body) < 6000


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 900])
async def test_a_body_that_cannot_be_read_says_what_to_send(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/forms", content=body)
    assert answer.status_code in (400, 422)
    assert kind(answer) in ("bad_request", "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/livez", 405), ("PUT", "/metrics", 405), ("GET", "/nowhere", 404)]
)
async def test_a_service_without_pages_refuses_as_the_others_do(method: str, path: str, status: int) -> None:
    """It said `Method Not Allowed` and `Not Found` in plain text."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(health.make_http({}, None)), base_url="http://test"
    ) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, kind(answer)) == (status, {404: "not_found", 405: "method_not_allowed"}[status])


# -- orders --------------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 16, 9, tzinfo=UTC)
COMPLAINT = UUID(int=7)
CASE = Case(
    complaint_id=COMPLAINT,
    agency="dot",
    assignment=1,
    state="assigned",
    category="Noise",
    region=None,
    visibility="open",
    narrative=None,
    source_ref=None,
    submitted_at=NOW - timedelta(days=1),
    assigned_at=NOW - timedelta(days=1),
)


def test_no_zero_byte_is_published() -> None:
    """Postgres holds none as text, so the citizen's page could not keep the answer, nor anything that came after it."""
    reply = ReplyToCase(complaint_id=COMPLAINT, reply="We \0 come.")
    said = execute(CASE, reply, order_of(reply, "dot", "1", NOW), []).event
    assert isinstance(said, CaseReplied)
    assert said.reply == "We \ufffd come."
    declined = DeclineCase(complaint_id=COMPLAINT, reason="\0")
    said_no = execute(CASE, declined, order_of(declined, "dot", "2", NOW), []).event
    assert isinstance(said_no, CaseDeclined)
    assert said_no.reason == "\ufffd"


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [("0001-01-01T00:00:00+14:00", "occurred_before_filing"), ("9999-12-31T23:59:59-14:00", "occurred_in_future")],
)
def test_a_time_that_falls_off_the_calendar_is_refused_like_any_other(claimed: str, reason: str) -> None:
    """In UTC there is no such year: the refusal could not be stored, and the agency heard nothing."""
    reply = ReplyToCase.model_validate({"complaint_id": COMPLAINT, "reply": "Yes.", "occurred_at": claimed})
    outcome = execute(CASE, reply, order_of(reply, "dot", "1", NOW), [])
    assert (outcome.case, outcome.action.outcome) == (None, reason)
    outcome.action.occurred_at.astimezone(UTC)
