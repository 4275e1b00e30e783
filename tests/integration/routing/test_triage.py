"""What no rule decides is a person's: asked for on Kafka, decided over HTTP, once."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.support.events import case, submitted
from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Wire, eventually

WHY = "The call centre asked; the bridge is theirs."


async def untold(wire: Wire, said: Reader, **more: Any) -> UUID:
    """A complaint that no rule decides."""
    complaint = uuid4()
    wire.send(submitted(complaint, datetime.now(UTC), category="Unheard of", **more))
    [asked] = await said.wait_for(complaint, "triage.requested", topic="amanah.assignments")
    assert asked.body["category"] == "Unheard of"
    assert asked.body["reason"]
    return complaint


def routings(router: ServiceProcess, complaint: UUID) -> list[Any]:
    said = "select topic, seq from chassis_outbox where subject = %s and type = 'complaint.routed.v1' order by topic"
    return router.sql(said, complaint)


async def test_a_person_decides_and_the_agency_is_told(
    router: ServiceProcess, wire: Wire, said: Reader, officer: httpx.AsyncClient
) -> None:
    complaint = await untold(wire, said, region="QUEENS", agency_named="Nobody", narrative="CANARY-NARRATIVE")
    listed = {c["complaint_id"]: c for c in (await officer.get("/triage", params={"limit": 1000})).json()}
    shown = {"category": "Unheard of", "region": "QUEENS", "agency_named": "Nobody"}
    assert shown.items() <= listed[str(complaint)].items()
    answer = await officer.post(f"/triage/{complaint}/assign", json={"agency": "DOT", "explanation": WHY})
    assert (answer.status_code, answer.json()) == (
        200,
        {"complaint_id": str(complaint), "agency": "dot", "assignment": 1},
    )
    [view] = await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dot")
    decided = {"rule": "triage", "decided_by": "triage", "explanation": WHY, "assignment": 1}
    assert {**decided, "narrative": "CANARY-NARRATIVE"}.items() <= view.body.items()
    listed = {c["complaint_id"]: c for c in (await officer.get("/triage", params={"limit": 1000})).json()}
    assert str(complaint) not in listed


async def test_what_an_officer_quotes_of_a_person_is_kept_and_published_masked(
    router: ServiceProcess, wire: Wire, said: Reader, officer: httpx.AsyncClient
) -> None:
    complaint = await untold(wire, said)
    private = "NIK 6303051511900033 asked by 0812-7777-0033 and warga.zk3@example.org"
    body = {"agency": "dot", "explanation": private}
    assert (await officer.post(f"/triage/{complaint}/assign", json=body)).status_code == 200
    for topic in ("amanah.assignments", "amanah.agency.dot"):
        await said.wait_for(complaint, "complaint.routed", topic=topic)
    explained = {record.body["explanation"] for record in said.of(complaint, "complaint.routed")}
    assert explained == {"NIK [NIK] asked by [phone] and [e-mail]"}
    kept = str(router.sql("select t::text from complaint t where complaint_id = %s", complaint))
    for place in [kept, router.log.read_text(), *(record.raw for record in said.records)]:
        assert not any(canary in place for canary in ("6303051511900033", "0812-7777-0033", "warga.zk3")), place


async def test_deciding_again_is_harmless(
    router: ServiceProcess, wire: Wire, said: Reader, officer: httpx.AsyncClient
) -> None:
    complaint = await untold(wire, said)
    path, body = f"/triage/{complaint}/assign", {"agency": "dot", "explanation": WHY}
    answers = await asyncio.gather(*(officer.post(path, json=body) for _ in range(5)))
    assert {(a.status_code, a.text) for a in answers} == {(200, answers[0].text)}
    changed_mind = await officer.post(path, json={**body, "agency": "nypd"})
    assert changed_mind.status_code == 409
    assert changed_mind.json()["type"] == "urn:amanah:problem:not_in_triage"
    assert "dot" in changed_mind.json()["detail"]
    assert routings(router, complaint) == [("amanah.agency.dot", 1), ("amanah.assignments", 2)]


async def test_two_people_who_decide_at_once_give_it_to_one_agency(
    router: ServiceProcess, wire: Wire, said: Reader, officer: httpx.AsyncClient
) -> None:
    complaint = await untold(wire, said)
    wishes = ["dot", "nypd"] * 4
    path = f"/triage/{complaint}/assign"
    answers = await asyncio.gather(*(officer.post(path, json={"agency": a, "explanation": WHY}) for a in wishes))
    accepted = {a.json()["agency"] for a in answers if a.status_code == 200}
    assert len(accepted) == 1
    assert sorted(a.status_code for a in answers) == [200] * 4 + [409] * 4
    assert routings(router, complaint) == [(f"amanah.agency.{accepted.pop()}", 1), ("amanah.assignments", 2)]


@pytest.mark.parametrize("authorization", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
async def test_nothing_is_read_or_decided_without_the_token(
    authorization: dict[str, str], router: ServiceProcess, wire: Wire, said: Reader
) -> None:
    complaint = await untold(wire, said)
    async with httpx.AsyncClient(base_url=router.url, headers=authorization, timeout=30) as stranger:
        for answer in (
            await stranger.get("/triage"),
            await stranger.post(f"/triage/{complaint}/assign", json={"agency": "dot", "explanation": WHY}),
        ):
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
    assert routings(router, complaint) == []


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"agency": "nobody", "explanation": WHY}, 422, "unknown_agency"),
        ({"agency": "dot", "explanation": ""}, 422, "invalid_request"),
        ({"agency": "dot", "explanation": "zero \x00 byte"}, 422, "invalid_request"),
        ({"agency": "dot"}, 422, "invalid_request"),
        ({"agency": "dot", "explanation": WHY, "force": True}, 422, "invalid_request"),
        ([], 422, "invalid_request"),
    ],
)
async def test_a_decision_that_cannot_be_taken_is_refused_with_its_reason(
    body: Any, status: int, kind: str, router: ServiceProcess, wire: Wire, said: Reader, officer: httpx.AsyncClient
) -> None:
    complaint = await untold(wire, said)
    answer = await officer.post(f"/triage/{complaint}/assign", json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:amanah:problem:{kind}")
    assert routings(router, complaint) == []


async def test_what_has_not_reached_routing_cannot_be_assigned(officer: httpx.AsyncClient) -> None:
    answer = await officer.post(f"/triage/{uuid4()}/assign", json={"agency": "dot", "explanation": WHY})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:amanah:problem:not_found")
    for path in ("/triage?limit=0", "/triage?limit=1001"):
        assert (await officer.get(path)).status_code == 422


async def test_who_takes_a_refusal_back_holds_the_complaint_as_before(
    router: ServiceProcess, wire: Wire, said: Reader, officer: httpx.AsyncClient
) -> None:
    complaint, at = uuid4(), datetime.now(UTC)
    wire.send(submitted(complaint, at))
    await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dot")
    refusal = uuid4()
    wire.send(case("declined", complaint, at, "dot", action=refusal))
    await said.wait_for(complaint, "triage.requested", topic="amanah.assignments")
    wire.send(case("action_withdrawn", complaint, at, "dep", withdraws=uuid4()))  # nobody's: dep never held it
    wire.send(case("action_withdrawn", complaint, at, "dot", withdraws=refusal))
    held = "select state, agency, assignment, refused_by from complaint where complaint_id = %s"
    await eventually(
        lambda: router.sql(held, complaint) == [("routed", "dot", 1, [])], "the complaint to be dot's again"
    )
    assert len(routings(router, complaint)) == 2, "it never went anywhere else: nothing is said anew"
    late = await officer.post(f"/triage/{complaint}/assign", json={"agency": "dep", "explanation": WHY})
    assert late.status_code == 409
    wire.send(case("declined", complaint, at, "dot", proposed_agency="dep"))
    [second] = await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dep")
    assert second.body["assignment"] == 2
