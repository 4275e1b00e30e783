"""`amanah bench intake`: what the load generator reads and writes, and what the line reckons; without servers."""

import json

import pytest

from amanah.bench.http_load import Seen, bodies, complete, request
from amanah.bench.intake import Round, intake_line
from amanah_intake.domain.form import Form

ANSWER = b'HTTP/1.1 201 Created\r\ncontent-length: 4\r\ncontent-type: application/json\r\n\r\n{"a"'


def test_an_answer_is_complete_with_its_last_byte_and_not_before() -> None:
    assert [complete(ANSWER[:end]) for end in range(len(ANSWER))] == [None] * len(ANSWER)
    assert complete(ANSWER) == (201, b'{"a"')


def test_the_length_may_come_last_among_the_headers() -> None:
    assert complete(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nContent-Length: 0\r\n\r\n") == (503, b"")


def test_an_answer_that_does_not_say_its_length_is_no_answer() -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        complete(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")


def test_each_filing_is_a_complaint_of_its_own_under_its_own_key() -> None:
    forms = bodies("dot")
    first, second = (Form.model_validate_json(next(forms)) for _ in range(2))
    assert first.agency_named == second.agency_named == "dot"
    assert first.narrative != second.narrative
    assert first.identity is not None
    assert first.identity.email
    assert "agency_named" not in json.loads(next(bodies()))
    assert request(b"{}") != request(b"{}")


def test_a_request_says_how_long_its_body_is() -> None:
    head, _, body = request('{"ü": 1}'.encode()).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert head.startswith(b"POST /complaints HTTP/1.1\r\n")


def seen(filings: int, p99_ms: float, cpu_seconds: float = 0.5) -> Round:
    return Round(Seen(filings, 0, 2.0, 4.0, p99_ms, cpu_seconds), 0.9, 0.3)


def test_the_ratio_is_that_of_the_same_rounds_and_times_are_medians() -> None:
    ours = [seen(2000, 8.0), seen(3000, 9.0), seen(1000, 30.0)]
    bare = [seen(4000, 4.0), seen(4000, 5.0), seen(4000, 6.0)]
    line = json.loads(intake_line(32, ours, bare, 90.04, 1.5).as_json())
    assert (line["figure"], line["bare"], line["ratio"]) == (1000, 2000, 0.5)
    assert (line["clients"], line["p99_ms"], line["bare_p99_ms"]) == (32, 9.0, 5.0)
    assert (line["generator_share"], line["generator_most"]) == (0.25, 4000)
    assert line["cpu_us"] == {"endpoint": 450, "postgres": 150}
    assert (line["peer"], line["peer_ratio"]) == (36, 27.8)
    assert (line["rss_mb"], line["load"]) == (90.0, 1.5)
