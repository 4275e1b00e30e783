"""The desk over HTTP: behind the token, one effect a key, problems that name the field, and nothing for strangers."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.integration.casework.support import NARRATIVE, Agency, assigned, emitted, http, state
from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Wire

VERBS = (
    *("acknowledge", "reply", "resolve", "decline"),
    *("request_information", "receive_information", "extend", "withdraw_action"),
)


@pytest.fixture
async def caller(desk: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with http(desk) as client:
        yield client


def key(value: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": value or str(uuid4())}


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_nothing_is_read_or_done_without_the_token(token: str, desk: ServiceProcess, wire: Wire) -> None:
    complaint = await assigned(wire, desk)
    async with http(desk, token) as stranger:
        answers = [
            await stranger.get("/cases", params={"agency": "dot"}),
            await stranger.get(f"/cases/{complaint}"),
            *[await stranger.post(f"/cases/{complaint}/{verb}?agency=dot", json={}, headers=key()) for verb in VERBS],
        ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert NARRATIVE not in answer.text
    assert state(desk, complaint) == "assigned"


async def test_an_agency_lists_its_open_cases_oldest_first(
    desk: ServiceProcess, wire: Wire, caller: httpx.AsyncClient, dot: Agency
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    newer = await assigned(wire, desk, at=long_ago + timedelta(days=1))
    older = await assigned(wire, desk, at=long_ago)
    other = await assigned(wire, desk, "nypd", at=long_ago)
    found = (await caller.get("/cases", params={"agency": "dot", "limit": 2})).json()
    assert [c["complaint_id"] for c in found] == [str(older), str(newer)]
    assert found[0]["narrative"] == NARRATIVE
    assert found[0]["submitted_at"] == long_ago.isoformat()
    everyone = (await caller.get("/cases", params={"agency": "dot", "limit": 1000})).json()
    assert str(other) not in {c["complaint_id"] for c in everyone}
    await caller.post(f"/cases/{older}/resolve?agency=dot", json={}, headers=key())
    still_open = (await caller.get("/cases", params={"agency": "dot", "limit": 1})).json()
    assert [c["complaint_id"] for c in still_open] == [str(newer)]
    await caller.post(f"/cases/{newer}/request_information?agency=dot", json={"question": "Where?"}, headers=key())
    asked = (await caller.get("/cases", params={"agency": "dot", "limit": 1})).json()
    assert [(c["complaint_id"], c["state"]) for c in asked] == [(str(newer), "waiting")]  # which is open as well
    done = (await caller.get("/cases", params={"agency": "dot", "state": "resolved", "limit": 1000})).json()
    assert str(older) in {c["complaint_id"] for c in done}


async def test_a_case_shows_what_was_done_with_it_also_what_was_refused(
    desk: ServiceProcess, wire: Wire, caller: httpx.AsyncClient, nypd: Agency, dot: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    order_id = nypd.order("reply", complaint, reply="not mine")
    await said.wait_for(complaint, "case.order_refused", topic="amanah.agency.nypd")
    await caller.post(f"/cases/{complaint}/acknowledge?agency=dot", json={}, headers=key("letter/17"))
    shown = (await caller.get(f"/cases/{complaint}")).json()
    assert (shown["agency"], shown["state"]) == ("dot", "acknowledged")
    assert [(a["order_id"], a["verb"], a["outcome"]) for a in shown["actions"]] == [
        (order_id, "reply", "not_the_holder"),
        ("letter/17", "acknowledge", "done"),
    ]


async def test_a_repeated_request_has_one_effect(desk: ServiceProcess, wire: Wire, caller: httpx.AsyncClient) -> None:
    complaint, same = await assigned(wire, desk), key()
    for _ in range(3):
        answer = await caller.post(f"/cases/{complaint}/reply?agency=dot", json={"reply": "once"}, headers=same)
        assert (answer.status_code, answer.json()["state"]) == (200, "replied")
    assert [kind for kind, topic in emitted(desk, complaint) if topic == "amanah.cases"] == ["case.replied.v1"]


async def test_each_repeated_request_has_one_effect_also_when_it_was_taken_back(
    desk: ServiceProcess, wire: Wire, caller: httpx.AsyncClient
) -> None:
    complaint = await assigned(wire, desk)
    back = {"order_id": "reply number 4", "reason": "Sent to the wrong case."}
    orders: list[tuple[str, dict[str, Any], str]] = [
        ("request_information", {"question": "Where?"}, "waiting"),
        ("receive_information", {}, "assigned"),
        ("extend", {"reason": "Rain."}, "assigned"),
        ("reply", {"reply": "Done."}, "replied"),
        ("withdraw_action", back, "assigned"),
    ]
    for number, (verb, body, after) in enumerate(orders, 1):
        for _ in range(2):
            same = key(f"{verb} number {number}")
            answer = await caller.post(f"/cases/{complaint}/{verb}?agency=dot", json=body, headers=same)
            assert (answer.status_code, answer.json()["state"]) == (200, after)
    for verb, body, _ in orders:  # the request after which the answer was lost, at last
        same = key(f"{verb} number {[v for v, *_ in orders].index(verb) + 1}")
        answer = await caller.post(f"/cases/{complaint}/{verb}?agency=dot", json=body, headers=same)
        assert (answer.status_code, answer.json()["state"]) == (200, "assigned")
    assert [kind for kind, topic in emitted(desk, complaint) if topic == "amanah.cases"] == [
        "case.information_requested.v1",
        "case.information_received.v1",
        "case.extended.v1",
        "case.replied.v1",
        "case.action_withdrawn.v1",
    ]


async def test_what_cannot_be_taken_back_or_extended_is_a_conflict(
    desk: ServiceProcess, wire: Wire, caller: httpx.AsyncClient
) -> None:
    complaint = await assigned(wire, desk)

    async def order(verb: str, name: str, **body: Any) -> str:
        answer = await caller.post(f"/cases/{complaint}/{verb}?agency=dot", json=body, headers=key(name))
        shown = answer.json()
        return str(shown["type"].removeprefix("urn:amanah:problem:") if answer.is_error else shown["state"])

    steps = [
        await order("acknowledge", "the first"),
        await order("extend", "the second", reason="Rain."),
        await order("extend", "the third", reason="More rain."),
        await order("withdraw_action", "1st attempt", order_id="the first", reason="An error."),
        await order("withdraw_action", "2nd attempt", order_id="the third", reason="An error."),
        await order("withdraw_action", "3rd attempt", order_id="the second", reason="An error."),
        await order("withdraw_action", "4th attempt", order_id="the second", reason="An error."),
        await order("extend", "the third", reason="More rain."),  # refused over HTTP: the key is free
    ]
    assert steps == [
        *("acknowledged", "acknowledged", "extended_before", "not_the_last_action", "unknown_order"),
        *("acknowledged", "withdrawn_before", "acknowledged"),
    ]


async def test_a_key_used_for_another_case_or_deed_names_another_order(
    desk: ServiceProcess, wire: Wire, caller: httpx.AsyncClient
) -> None:
    first, second, same = await assigned(wire, desk), await assigned(wire, desk), key()
    for complaint in (first, second):
        for verb in ("acknowledge", "resolve"):
            answer = await caller.post(f"/cases/{complaint}/{verb}?agency=dot", json={}, headers=same)
            assert answer.status_code == 200
        assert state(desk, complaint) == "resolved"


@pytest.mark.parametrize(
    ("agency", "verb", "body", "reason"),
    [
        ("nypd", "resolve", {}, "not_the_holder"),
        ("dot", "resolve", {"occurred_at": "2020-01-01T00:00:00Z"}, "occurred_before_filing"),
        ("dot", "resolve", {"occurred_at": "2199-01-01T00:00:00Z"}, "occurred_in_future"),
        ("dot", "acknowledge", {}, "not_possible_now"),
        ("dot", "receive_information", {}, "not_possible_now"),
        ("nypd", "withdraw_action", {"order_id": "any", "reason": "Mine."}, "not_the_holder"),
        ("dot", "withdraw_action", {"order_id": "any\u0000", "reason": "Mine."}, "unknown_order"),
    ],
)
async def test_a_refusal_is_a_conflict_with_its_reason_and_changes_nothing(
    agency: str,
    verb: str,
    body: dict[str, Any],
    reason: str,
    desk: ServiceProcess,
    wire: Wire,
    caller: httpx.AsyncClient,
) -> None:
    complaint = await assigned(wire, desk)
    await caller.post(f"/cases/{complaint}/acknowledge?agency=dot", json={}, headers=key())
    answer = await caller.post(f"/cases/{complaint}/{verb}?agency={agency}", json=body, headers=key())
    assert answer.status_code == 409
    assert answer.json()["type"] == f"urn:amanah:problem:{reason}"
    assert state(desk, complaint) == "acknowledged"
    assert [kind for kind, topic in emitted(desk, complaint) if topic == "amanah.cases"] == ["case.acknowledged.v1"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "field"),
    [
        ("reply?agency=dot", {}, key(), "reply"),
        ("reply?agency=dot", {"reply": "x" * 8001}, key(), "reply"),
        ("decline?agency=dot", {"reason": ""}, key(), "reason"),
        ("decline?agency=dot", {"reason": "no", "proposed_agency": "Not A Code"}, key(), "proposed_agency"),
        ("request_information?agency=dot", {}, key(), "question"),
        ("extend?agency=dot", {"reason": "no", "article": "x" * 201}, key(), "article"),
        ("withdraw_action?agency=dot", {"reason": "no"}, key(), "order_id"),
        ("withdraw_action?agency=dot", {"order_id": "\ud800", "reason": "no"}, key(), "order_id"),
        ("resolve?agency=dot", {"occurred_at": "2026-03-16T09:00:00"}, key(), "occurred_at"),
        ("resolve?agency=dot", {}, {}, "idempotency-key"),
        ("resolve?agency=dot", {}, key("short"), "idempotency-key"),
        ("resolve", {}, key(), "agency"),
        ("resolve?agency=%00", {}, key(), "agency"),
        ("resolve?agency=dot", [], key(), "body"),
    ],
)
async def test_what_is_wrong_with_a_request_is_named(
    path: str,
    body: Any,
    headers: dict[str, str],
    field: str,
    desk: ServiceProcess,
    wire: Wire,
    caller: httpx.AsyncClient,
) -> None:
    complaint = await assigned(wire, desk)
    sent, kind = json.dumps(body), {"Content-Type": "application/json"}  # also half a character
    answer = await caller.post(f"/cases/{complaint}/{path}", content=sent, headers=headers | kind)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert state(desk, complaint) == "assigned"


async def test_a_complaint_that_never_came_is_not_found(caller: httpx.AsyncClient) -> None:
    for answer in (
        await caller.get(f"/cases/{uuid4()}"),
        await caller.post(f"/cases/{uuid4()}/resolve?agency=dot", json={}, headers=key()),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:amanah:problem:not_found")
    for path in ("/cases?agency=dot&state=%00", "/cases?agency=%00", "/cases", "/cases/not-an-id"):
        assert (await caller.get(path)).status_code == 422
