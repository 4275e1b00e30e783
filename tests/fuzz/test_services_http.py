"""Requests of all kinds to the running services: never a 5xx, and every refusal says what to do."""

import json
from collections.abc import Callable

from hypothesis import strategies as st
from tests.fuzz.junk import instants, texts
from tests.fuzz.openapi import Operation, Request, operations, requests
from tests.fuzz.raw import Answer, Raw
from tests.fuzz.town import SERVICES, Town, file_well
from tests.fuzz.tried import STATUSES, tiers, tried

EXTRA: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "/calculator": {
        "rule": st.sampled_from(["nyc-default", "given"]) | texts,
        "start": instants,
        "pause": st.tuples(instants, instants).map("/".join) | texts,
        "extend": st.sampled_from(["true", "false"]) | texts,
        "calendar": texts,
    }
}
PUBLIC = {"/complaints", "/complaints/status", "/deadlines/{complaint_id}", "/calculator"}
"""Answered without the service token. A wrong one is refused where the right one means something."""
NO_HTTP = b"Invalid HTTP request received."
"""The server's own answer to what is no HTTP, such as a control character in a header: no service ever sees it."""
CREDENTIALS = ("right", "right", "right", "none", "wrong")


def is_sound(answer: Answer, what: object, method: bytes) -> None:
    """What holds of every answer to a request that is HTTP."""
    STATUSES[answer.status] += 1
    assert answer.status != 0, f"{what}: closed without a word"
    assert answer.status < 500, f"{what}: {answer}"
    if answer.status < 400 or answer.body == NO_HTTP:
        return
    assert answer.type == "application/problem+json", f"{what}: {answer}"
    if method == b"HEAD":
        return  # which has no body
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["type"].startswith("urn:amanah:problem:")
    assert len(problem["detail"]) > 20, f"{what} does not say what to do: {problem}"
    assert len(answer.body) < 20_000, f"{what}: {len(answer.body)} bytes"


def described(town: Town) -> list[Operation]:
    found = []
    for service in SERVICES:
        answer = town.raw[service].ask(b"GET", b"/openapi.json")
        assert (answer.status, answer.type) == (200, "application/json")
        found += operations(service, json.loads(answer.body))
    return found


@tiers(30, 500)
def test_every_operation_of_every_service(town: Town, examples: int) -> None:
    described_operations = described(town)
    assert len(described_operations) >= 16
    accepted: set[str] = set()
    dead = town.dead(*SERVICES)
    for operation in described_operations:
        check = _checker(town, operation, accepted)
        one = st.tuples(
            st.sampled_from(CREDENTIALS),
            requests(operation, town.ids[operation.service], EXTRA.get(operation.path, {})),
        )
        tried(f"HTTP, {operation}", examples, one, check)
    [(stored,)] = town.services["intake"].sql(
        "select count(*) from intake_complaint where id = any(%s::uuid[])", list(accepted)
    )
    assert stored == len(accepted)
    assert accepted or examples < 500, "of so many one must be a complaint"
    file_well(town)
    assert town.dead(*SERVICES) == dead


def _checker(town: Town, operation: Operation, accepted: set[str]) -> Callable[[tuple[str, Request]], None]:
    raw, token = town.raw[operation.service], town.token(operation.service)

    def check(case: tuple[str, Request]) -> None:
        credentials, request = case
        sent = {
            "none": [],
            "wrong": [(b"authorization", b"Bearer " + token[:-1])],
            "right": [(b"authorization", b"Bearer " + token)],
        }
        answer = raw.ask(request.method, request.target, [*request.headers, *sent[credentials]], request.body)
        is_sound(answer, operation, request.method)
        if answer.body == NO_HTTP:
            return
        if answer.status in (200, 201):
            assert answer.type == "application/json"
            found = json.loads(answer.body)
            if answer.status == 201:
                accepted.add(found["complaint_id"])
        guarded = operation.path not in PUBLIC
        if credentials != "right" and guarded:
            odd = b"%2F" in request.target or b"%0A" in request.target  # then it is another path, which nobody has
            assert answer.status in (401, 403) or (odd and answer.status == 404), answer
        if credentials == "wrong" and operation.path == "/complaints":
            assert answer.status == 401, answer

    return check


METHODS = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PROPFIND",
    b"get",
    b"M-SEARCH",
    b"PRI",
]
PATHS = [
    "/",
    "//",
    "/livez",
    "/livez/",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/complaints/",
    "/triage/",
    "/cases",
    "/internal",
    "/../etc",
]


@tiers(40, 1500)
def test_any_method_on_any_path(town: Town, examples: int) -> None:
    """Also the paths of health and metrics; also targets of up to 60 kB."""

    def check(case: tuple[str, bytes, str, bytes, int]) -> None:
        service, method, path, more, long = case
        target = path.encode() + b"".join(b"%%%02x" % c for c in more) + b"x" * long
        answer = town.raw[service].ask(method, target)
        is_sound(answer, (service, method, path), method)

    cases = st.tuples(
        st.sampled_from(SERVICES),
        st.sampled_from(METHODS),
        st.sampled_from(PATHS),
        st.binary(max_size=12),
        st.sampled_from([0, 0, 0, 3000, 60_000]),
    )
    tried("HTTP, methods and paths", examples, cases, check)


@tiers(40, 1500)
def test_what_is_hardly_http(town: Town, examples: int) -> None:
    """A broken request is refused or ends its connection; the next client is served."""
    lines = st.sampled_from(
        [
            b"GET / HTTP/1.1",
            b"POST /complaints HTTP/1.1",
            b"GET / HTTP/9.9",
            b"GET http://[ HTTP/1.1",
            b"",
            b"\xff\xfe",
            b"GET /\xff HTTP/1.1",
            b"CONNECT x:1 HTTP/1.1",
        ]
    )
    fields = st.sampled_from(
        [
            b"host: \xff",
            b"host: [",
            b"host",
            b": x",
            b"content-length: -1",
            b"content-length: 9e9",
            b"content-length: 5\r\ncontent-length: 6",
            b"transfer-encoding: chunked",
            b"expect: 100-continue",
            b"upgrade: websocket\r\nconnection: upgrade",
            b"x: " + b"y" * 70_000,
            b"authorization: Bearer \xff\x00",
            b"connection: close",
        ]
    ) | st.binary(max_size=30)

    def check(case: tuple[str, bytes, list[bytes], bytes]) -> None:
        service, line, given, body = case
        raw = Raw(town.services[service].port)
        request = b"\r\n".join([line, *given, b"connection: close", b"", b""]) + body
        answer = raw.send_and_close(request)
        raw.close()
        assert answer.status < 500, (answer, request[:200])

    cases = st.tuples(
        st.sampled_from(SERVICES),
        lines,
        st.lists(fields, max_size=3),
        st.binary(max_size=40) | st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n"]),
    )
    tried("HTTP, hardly", examples, cases, check)
    for service in SERVICES:
        assert town.raw[service].ask(b"GET", b"/livez").status == 200
