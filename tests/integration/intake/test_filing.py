"""Filing over HTTP: one key, one complaint, one answer, one event; and everything that is refused, by name."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.integration.intake.support import COMPLAINT, Door, is_problem, make_intake
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader

from amanah_contracts.intake import ComplaintSubmitted


async def test_a_filing_is_answered_kept_and_published(door: Door, intake: ServiceProcess, complaints: Reader) -> None:
    answer = await door.file(narrative="Call 0812-3456-7890, lamp out since 24-11-2026.", region="QUEENS")
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["status"] == "submitted"
    assert told["tracking_code"].startswith("NYC-")

    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    event = ComplaintSubmitted.model_validate(record.body)
    assert event.narrative == "Call [phone], lamp out since 24-11-2026."
    assert (event.category, event.region, event.contactable) == ("Street Condition", "QUEENS", False)
    assert event.tracking_code == told["tracking_code"]
    assert event.received_at == event.occurred_at == datetime.fromisoformat(told["submitted_at"])
    assert (record.type, record.sequence, str(record.complaint)) == ("complaint.submitted.v1", 1, told["complaint_id"])
    for header in ("'ce_source': 'amanah.intake'", "'ce_specversion': '1.0'", "'content-type': 'application/json'"):
        assert header in record.raw
    assert f"'ce_subject': '{told['complaint_id']}'" in record.raw
    assert "traceparent" not in record.raw
    assert intake.sql("select category from intake_complaint where id = %s", told["complaint_id"]) == [
        ("Street Condition",)
    ]


async def test_more_at_once_than_it_can_hold_are_told_to_come_again(embedded: Embedded, tmp_path: Path) -> None:
    """A body of which nothing more comes keeps its place; the next one is answered at once, and taken when there is room."""
    intake = make_intake(embedded, tmp_path, AMANAH_FILINGS_AT_ONCE="3")
    intake.start()
    holders: list[asyncio.StreamWriter] = []
    try:
        for n in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", intake.port)
            head = f"POST /complaints HTTP/1.1\r\nHost: x\r\nIdempotency-Key: holder-{n}-x\r\nContent-Length: 100\r\n\r\n{{"
            writer.write(head.encode())
            await writer.drain()
            holders.append(writer)
        async with Door(intake) as door:
            await eventually_answers(door, 429)
            kept = intake.sql("select count(*) from intake_complaint")
            refused = await door.file("the-same-key")
            assert is_problem(refused, 429, "too_busy")
            assert int(refused.headers["retry-after"]) > 0
            assert intake.sql("select count(*) from intake_complaint") == kept
            assert 'amanah_complaints_rejected_total{reason="too_busy"}' in intake.get("/metrics")
            assert intake.get("/readyz") is not None, "it is no failure"
            holders.pop().close()
            await eventually_answers(door, 201, "the-same-key")
    finally:
        for writer in holders:
            writer.close()
        intake.stop()


async def eventually_answers(door: Door, status: int, key: str | None = None) -> None:
    async with asyncio.timeout(10):
        while (await door.file(key)).status_code != status:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("days", [-3000, -1, 1, 3000])
async def test_an_import_brings_its_number_and_its_deadline(door: Door, complaints: Reader, days: int) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    told = await door.filed(
        trusted=True,
        narrative="x",
        channel="import",
        source_ref="38070822",
        agency_named="NYPD",
        region="STATEN ISLAND",
        given_due_at=due.isoformat(),
    )
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    event = ComplaintSubmitted.model_validate(record.body)
    assert (event.source_ref, event.given_due_at, event.agency_named) == ("38070822", due, "NYPD")
    assert (event.channel, event.narrative) == ("import", "x")


async def test_a_paper_form_keeps_the_day_it_was_written(door: Door, complaints: Reader) -> None:
    written = datetime.now(UTC) - timedelta(days=3)
    told = await door.filed(trusted=True, channel="counter", occurred_at=written.isoformat())
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    assert record.instant("occurred_at") == written
    assert record.instant("received_at") == datetime.fromisoformat(told["submitted_at"])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = await door.file(trusted=True, channel="counter", occurred_at=tomorrow)
    assert is_problem(answer, 422, "invalid_request", "occurred_at")


# --- the idempotency key --------------------------------------------------------------------------------------------


async def test_the_same_key_brings_the_same_answer_byte_for_byte(door: Door, complaints: Reader) -> None:
    key = str(uuid4())
    first = await door.file(key)
    again = await door.file(key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    other = await door.filed()  # filed later, so what the first key published lies before it
    await complaints.wait_for(UUID(other["complaint_id"]), "complaint.submitted")
    assert len(await complaints.wait_for(UUID(first.json()["complaint_id"]), "complaint.submitted")) == 1


async def test_the_same_meaning_spelled_otherwise_is_the_same_request(door: Door) -> None:
    key = str(uuid4())
    first = await door.file(key)
    spelled = json.dumps({"region": None, **dict(reversed(COMPLAINT.items()))}, indent=3).encode()
    assert (await door.send(spelled, key)).content == first.content


async def test_another_body_under_the_same_key_is_refused(door: Door, intake: ServiceProcess) -> None:
    key = str(uuid4())
    first = await door.filed(key=key)
    assert is_problem(
        await door.file(key, narrative="Another matter."), 422, "idempotency_key_reused", "Idempotency-Key"
    )
    assert (await door.filed(key=key)) == first


async def test_many_requests_at_once_under_one_key_make_one_complaint(door: Door, intake: ServiceProcess) -> None:
    [(before,)] = intake.sql("select count(*) from intake_complaint")
    key = str(uuid4())
    answers = await asyncio.gather(*(door.file(key) for _ in range(25)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replay" not in answer.headers for answer in answers) == 1
    assert intake.sql("select count(*) from intake_complaint") == [(before + 1,)]


async def test_a_citizen_cannot_ask_for_the_answer_to_a_service(door: Door) -> None:
    key = str(uuid4())
    ours = await door.filed(key=key, trusted=True)
    theirs = await door.filed(key=key)
    assert ours["complaint_id"] != theirs["complaint_id"]


@pytest.mark.parametrize("key", ["", "short", "k" * 201, "with space in it", "nön-ascii-key"])
async def test_a_key_that_is_none_is_refused(door: Door, key: str) -> None:
    answer = await door.http.post("/complaints", json=COMPLAINT, headers={"Idempotency-Key": key.encode()})
    assert is_problem(answer, 422, "idempotency_key_invalid", "Idempotency-Key")


async def test_no_key_and_two_keys_are_refused(door: Door) -> None:
    assert is_problem(
        await door.http.post("/complaints", json=COMPLAINT), 422, "idempotency_key_missing", "Idempotency-Key"
    )
    two = [("Idempotency-Key", "first-key"), ("Idempotency-Key", "other-key")]
    answer = await door.http.post("/complaints", json=COMPLAINT, headers=two)
    assert is_problem(answer, 422, "idempotency_key_invalid", "Idempotency-Key")


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer", "", "Basic eDp5", "bearer é", "Bearer " + "x" * 5000]
)
async def test_a_wrong_credential_is_never_taken_for_none(door: Door, authorization: str) -> None:
    answer = await door.http.post(
        "/complaints",
        json=COMPLAINT,
        headers={"Idempotency-Key": str(uuid4()), "Authorization": authorization.encode("latin-1")},
    )
    assert is_problem(answer, 401, "unauthorized")


async def test_a_citizen_may_not_say_what_needs_the_service_token(door: Door) -> None:
    answer = await door.file(channel="import", given_due_at="2026-11-25T08:00:00Z")
    assert is_problem(answer, 403, "not_entitled", "channel", "given_due_at")


async def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    assert is_problem(await door.send(b"x" * (256 * 1024 + 1)), 413, "too_large")
    assert is_problem(await door.send(b"x" * 3_000_000), 413, "too_large")

    async def in_pieces() -> Any:
        for _ in range(40):
            yield b"x" * 10_000

    answer = await door.http.post("/complaints", content=in_pieces(), headers={"Idempotency-Key": str(uuid4())})
    assert is_problem(answer, 413, "too_large")


HOSTILE = {
    "not JSON": b"{",
    "not UTF-8": b'{"category":"c","narrative":"\xff\xfe"}',
    "a lone surrogate": b'{"category":"c","narrative":"\\ud800"}',
    "a surrogate in UTF-8": b'{"category":"c","narrative":"\xed\xa0\x80"}',
    "deep": b"[" * 100_000,
    "deep in a field": b'{"category":"c","narrative":"n","identity":' + b"[" * 100_000,
    "a giant number": b'{"category":"c","narrative":"n","given_due_at":' + b"9" * 200_000 + b"}",
    "nothing": b"",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
async def test_a_body_that_is_no_json_is_refused(door: Door, body: bytes) -> None:
    assert is_problem(await door.send(body), 422, "invalid_request", "body")


@pytest.mark.parametrize("field", ["category", "narrative", "classification", "agency_named", "source_ref", "region"])
@pytest.mark.parametrize("text", ["a\0b", "a\x1b[2Jb"])
async def test_control_characters_are_refused_before_the_database_sees_them(door: Door, field: str, text: str) -> None:
    assert is_problem(await door.file(trusted=True, **{field: text}), 422, "invalid_request", field)


@pytest.mark.parametrize("field", ["name", "email", "address", "phone", "nik"])
async def test_control_characters_in_an_identity_are_refused(door: Door, field: str) -> None:
    answer = await door.file(identity={field: "a\0b@example.org"})
    assert is_problem(answer, 422, "invalid_request", f"identity.{field}")


@pytest.mark.parametrize(
    "narrative",
    ["\U0001f600" * 8000, "1 " * 4000, "a@" * 4000, "+" * 8000, "a" + "\u0301" * 7999, "\u202e" * 8000, "\u2028\x85"],
    ids=["emoji", "digits", "at signs", "plus signs", "combining", "direction", "line separators"],
)
async def test_any_text_is_published_as_its_contract_says(door: Door, complaints: Reader, narrative: str) -> None:
    told = await door.filed(narrative=narrative + ("x" if not narrative.strip() else ""))
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    ComplaintSubmitted.model_validate(record.body)


async def test_a_line_end_in_a_field_does_not_travel(door: Door, complaints: Reader) -> None:
    told = await door.filed(trusted=True, channel="import", source_ref="a\r\nce_type: x", category="a\u00a0b")
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    assert (record.body["source_ref"], record.body["category"]) == ("a ce_type: x", "a b")


@pytest.mark.parametrize("traceparent", ["junk", "00-" + "a" * 4000, "\xff\xfe"])
async def test_a_hostile_traceparent_does_not_travel(door: Door, complaints: Reader, traceparent: str) -> None:
    answer = await door.http.post(
        "/complaints",
        json=COMPLAINT,
        headers={"Idempotency-Key": str(uuid4()), "traceparent": traceparent.encode("latin-1")},
    )
    assert answer.status_code == 201
    [record] = await complaints.wait_for(UUID(answer.json()["complaint_id"]), "complaint.submitted")
    assert "traceparent" not in record.raw


async def test_a_trace_goes_on_from_the_request_into_kafka(door: Door, complaints: Reader) -> None:
    trace = uuid4().hex
    told = await door.filed(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    assert f"'traceparent': '00-{trace}-" in record.raw


async def test_the_open_api_document_shows_form_and_key(door: Door) -> None:
    document = (await door.http.get("/openapi.json")).json()
    filing = document["paths"]["/complaints"]["post"]
    assert [parameter["name"] for parameter in filing["parameters"]] == ["Idempotency-Key"]
    assert {"narrative", "identity"} <= document["components"]["schemas"]["Form"]["properties"].keys()
