"""The running services under requests and records of all kinds: nothing is lost, nothing stalls, and every refusal says what
to do. Intake, routing, casework and the SLA monitor, with the Kafka and the databases they have in a deployment."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from hypothesis import strategies as st
from tests.fuzz.junk import instants, texts
from tests.fuzz.openapi import Operation, Request, operations, requests
from tests.fuzz.orders import Sent, bytes_, order, records
from tests.fuzz.raw import Answer, Raw
from tests.fuzz.tried import CASES, STATUSES, tiers, tried
from tests.support.containers import servers
from tests.support.events import routed, submitted
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import OWNERS, PATIENCE, Wire

from amanah import project

SERVICES = ("intake", "routing", "casework", "sla_monitor")
REPLIES = "amanah.agency.dot.replies"


class Town:
    """What runs, and who is known in it."""

    def __init__(self, embedded: Embedded, services: dict[str, ServiceProcess]) -> None:
        self.embedded = embedded
        self.services = services
        self.wire = Wire(embedded.kafka)
        self.producer = Producer({"bootstrap.servers": embedded.kafka, "acks": "all", "message.max.bytes": 2_000_000})
        self.raw = {name: Raw(service.port) for name, service in services.items()}
        self.ids: dict[str, tuple[str, ...]] = {}

    def close(self) -> None:
        """Before Kafka ends: clients that outlive it complain aloud."""
        del self.wire, self.producer
        for raw in self.raw.values():
            raw.close()

    def token(self, service: str) -> bytes:
        return self.services[service].secrets.token().read_text().strip().encode()

    def held(self, agency: str, count: int) -> list[UUID]:
        """Complaints that casework knows to be with an agency."""
        found = [uuid4() for _ in range(count)]
        at = datetime.now(UTC) - timedelta(days=1)
        self.wire.send(*(submitted(complaint, at) for complaint in found))
        self.wire.send(*(routed(complaint, at, agency) for complaint in found))
        desk = self.services["casework"]
        known = 'select count(*) from "case" where complaint_id = any(%s)'
        waits(lambda: desk.sql(known, found) == [(count,)], "the cases to be opened")
        return found

    def put(self, topic: str, *given: Sent) -> list[int]:
        """Writes records in this order to a topic of one partition; answers their offsets."""
        offsets: list[int] = []
        for record in given:
            self.producer.produce(
                topic,
                record.value,
                record.key,
                partition=0,
                headers=list(record.headers),
                on_delivery=lambda _, m: offsets.append(m.offset()),
            )
            self.producer.poll(0)
        assert self.producer.flush(PATIENCE) == 0
        return sorted(offsets)

    def lag(self, service: str, group: str, topics: list[str]) -> int:
        consumer = Consumer({"bootstrap.servers": self.embedded.kafka, "group.id": f"amanah.{service}{group}"})
        try:
            places = [TopicPartition(t, p) for t in topics for p in consumer.list_topics(t, 10).topics[t].partitions]
            ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, timeout=10)[1] for p in places}
            return sum(ends[p.topic, p.partition] - max(p.offset, 0) for p in consumer.committed(places, timeout=10))
        finally:
            consumer.close()


def waits(question: Callable[[], Any], what: str) -> None:
    async def asked() -> None:
        from tests.support.wire import eventually

        await eventually(question, what)

    asyncio.run(asked())


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A stack of its own, for this module only: what is written here would be in the way of other tests."""
    with tempfile.TemporaryDirectory(prefix="amanah-fuzz-") as temporary, servers() as existing, ExitStack() as stack:
        Path(temporary).chmod(0o711)
        embedded = Embedded(Path(os.environ.get("AMANAH_TEST_DATA", temporary)) / "fuzz", **existing)
        stack.callback(embedded.stop)
        embedded.start()
        home, pack = tmp_path_factory.mktemp("town"), project.pack("nyc311")
        services = {
            name: ServiceProcess(
                name,
                kafka=embedded.kafka,
                database=embedded.database(),
                pack=pack,
                home=home,
                AMANAH_ORDER_WAIT_SECONDS="1",
            )
            for name in SERVICES
        }
        for service in services.values():
            stack.callback(service.stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda service: service.start(), services.values()))
        town = known(Town(embedded, services))
        yield town
        town.close()


def known(town: Town) -> Town:
    """A complaint that each service knows."""
    case = town.held("dot", 1)[0]
    waiting = uuid4()
    town.wire.send(submitted(waiting, datetime.now(UTC), category="Unheard of"))
    filed = json.loads(file_well(town).body)
    for service, known_ids in {
        "intake": filed["complaint_id"],
        "routing": waiting,
        "casework": case,
        "sla_monitor": case,
    }.items():
        town.ids[service] = (str(known_ids),)
    return town


def file_well(town: Town) -> Answer:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", str(uuid4()).encode())]
    answer = town.raw["intake"].ask(b"POST", b"/complaints", headers, b'{"category": "Noise", "narrative": "Loud."}')
    assert answer.status == 201, answer
    return answer


# -- HTTP ----------------------------------------------------------------------------------------------------------------

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
    assert dead(town, *SERVICES) == dict.fromkeys(SERVICES, 0)


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


# -- Kafka ---------------------------------------------------------------------------------------------------------------

GOOD = (
    ("acknowledge", {}, "case.acknowledged.v1"),
    ("request_information", {"question": "Where?"}, "case.information_requested.v1"),
    ("receive_information", {}, "case.information_received.v1"),
    ("extend", {"reason": "Rain."}, "case.extended.v1"),
    ("reply", {"reply": "We come."}, "case.replied.v1"),
    ("resolve", {"outcome": "Done."}, "case.resolved.v1"),
)
"""Orders, and what the desk says of each."""


def dead(town: Town, *services: str) -> dict[str, int]:
    count = "select count(*) from chassis_dead_letter where replayed_at is null"
    return {name: town.services[name].sql(count)[0][0] for name in services}


@tiers(4, 60)
def test_orders_among_rubbish(town: Town, examples: int) -> None:
    """Good orders, each at a random place among bad records, on the topic that an agency writes."""
    desk = town.services["casework"]
    mine, others = town.held("dot", 3), town.held("nypd", 2)
    victims = [*map(str, (*mine, *others)), *(str(uuid4()) for _ in range(3))]
    bad: dict[int, Sent] = {}

    def check(case: tuple[list[Sent], list[int]]) -> None:
        rubbish, places = case
        complaint = town.held("dot", 1)[0]
        mixed: list[tuple[Sent, bool]] = [(record, False) for record in rubbish]
        at = sorted(place % (len(rubbish) + 1) for place in places)
        for number, (place, (verb, body, _)) in enumerate(zip(at, GOOD, strict=True)):
            mixed.insert(place + number, (order(verb, complaint, **body), True))
        offsets = town.put(REPLIES, *(record for record, _ in mixed))
        bad.update({offset: record for offset, (record, good) in zip(offsets, mixed, strict=True) if not good})
        CASES["Kafka, records on an agency's topic"] += len(rubbish)
        said = "select type from chassis_outbox where subject = %s and topic = 'amanah.cases' order by id"
        waits(lambda: len(desk.sql(said, complaint)) >= len(GOOD), "the good orders to be carried out")
        assert [kind for (kind,) in desk.sql(said, complaint)] == [event for *_, event in GOOD]

    count = len(GOOD)
    cases = st.tuples(
        st.lists(records(victims), min_size=20, max_size=60),
        st.lists(st.integers(0, 99), min_size=count, max_size=count),
    )
    tried("Kafka, batches", examples, cases, check)

    waits(lambda: town.lag("casework", ".orders", [REPLIES]) == 0, "the partition to be read to its end")
    waits(lambda: desk.sql("select count(*) from chassis_parked") == [(0,)], "what waited to be answered")
    letters = {
        row[0]: row[1:]
        for row in desk.sql('select "offset", key, value, headers from chassis_dead_letter where topic = %s', REPLIES)
    }
    answered = {row[0] for row in desk.sql("select order_id from action")}
    for offset, record in bad.items():
        if offset in letters:
            key, value, headers = letters[offset]
            assert (key, value) == (record.key, record.value)
            assert unpacked(headers) == list(record.headers)
        else:
            assert record.order_id(REPLIES, offset) in answered, (offset, record)
    assert letters.keys() <= bad.keys()
    assert {"handler_failed"}.isdisjoint(
        row[0] for row in desk.sql("select reason from chassis_dead_letter where topic = %s", REPLIES)
    )
    assert refusals(desk)
    _others_can_read_it(town)
    _letters_can_be_listed_and_replayed(desk, len(letters))


def unpacked(headers: bytes) -> Any:
    from amanah_chassis.parked import unpack_headers

    return list(unpack_headers(bytes(headers)))


def refusals(desk: ServiceProcess) -> int:
    """How many orders were refused; each was answered on the topic of the agency that gave it."""
    [(refused,)] = desk.sql("select count(*) from action where outcome <> 'done'")
    [(told,)] = desk.sql(
        "select count(*) from chassis_outbox where type = 'case.order_refused.v1' and topic = 'amanah.agency.dot'"
    )
    assert refused == told
    return int(refused)


def _others_can_read_it(town: Town) -> None:
    """What the desk made of an absurd order is no stumbling block for those who read the desk."""
    for reader in ("intake", "routing", "sla_monitor"):
        waits(
            lambda reader=reader: town.lag(reader, "", ["amanah.cases"]) == 0,
            f"{reader} to read all of the desk's events",
        )
    letters = "select reason, detail from chassis_dead_letter where topic = 'amanah.cases'"
    assert {reader: town.services[reader].sql(letters) for reader in ("intake", "routing", "sla_monitor")} == {
        reader: [] for reader in ("intake", "routing", "sla_monitor")
    }


def _letters_can_be_listed_and_replayed(desk: ServiceProcess, count: int) -> None:
    def dlq(*words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "amanah.main",
            "dlq",
            *words,
            "--service",
            "casework",
            "--database",
            desk.database,
        ]
        environment = {**os.environ, "AMANAH_PACK": str(project.pack("nyc311"))}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)

    listed = dlq("list", "--json")
    assert (listed.returncode, len(json.loads(listed.stdout))) == (0, count)
    replayed = dlq("replay", "--all")
    assert "Traceback" not in replayed.stderr
    assert replayed.stdout.splitlines()[-1] == f"0 replayed, {count} failed."
    assert len(json.loads(dlq("list", "--json").stdout)) == count


@tiers(3, 40)
def test_events_of_the_future_and_noise_on_the_services_own_topics(town: Town, examples: int) -> None:
    """Written by a newer release, or by a broken one: what follows them is handled."""
    router = town.services["routing"]
    types = st.sampled_from(
        [b"complaint.submitted.v2", b"complaint.routed.v9", b"case.dreamt.v1", b"deadline.breached.v3", b"", b"\xff"]
    )
    headers = st.tuples(types, st.uuids(), st.integers(-1, 3) | st.just(10**30)).map(
        lambda h: (
            ("ce_type", h[0]),
            ("ce_id", str(h[1]).encode()),
            ("ce_source", b"amanah.intake"),
            ("ce_subject", str(h[1]).encode()),
            ("ce_sequence", str(h[2]).encode()),
        )
    )
    record = st.builds(
        Sent, bytes_, st.none() | st.binary(max_size=60) | st.just(b"{}"), headers | headers.map(lambda h: h[:1])
    )

    def check(case: dict[str, list[Sent]]) -> None:
        before = dead(town, *SERVICES)
        good = uuid4()
        for topic, given in case.items():
            town.put(topic, *given)
            CASES["Kafka, records on the services' topics"] += len(given)
        town.wire.send(submitted(good, datetime.now(UTC)))
        waits(
            lambda: router.sql("select state from complaint where complaint_id = %s", good) == [("routed",)],
            "routing to go on",
        )
        sent = Counter({topic: len(given) for topic, given in case.items()})
        for service, topics in READS.items():
            due = before[service] + sum(sent[topic] for topic in topics)
            waits(
                lambda service=service, due=due: dead(town, service)[service] == due,
                f"{service} to set aside what it cannot read",
            )

    cases = st.fixed_dictionaries({topic: st.lists(record, min_size=1, max_size=12) for topic in OWNERS})
    tried("Kafka, batches on the services' topics", examples, cases, check)
    for service, topics in READS.items():
        waits(
            lambda service=service, topics=topics: town.lag(service, "", topics) == 0, f"{service} to read to the end"
        )


READS = {
    "intake": ["amanah.assignments", "amanah.cases", "amanah.deadlines"],
    "routing": ["amanah.complaints", "amanah.cases"],
    "casework": ["amanah.assignments"],
    "sla_monitor": ["amanah.complaints", "amanah.assignments", "amanah.cases"],
}
