"""Records of all kinds on the topics of running services: nothing is lost, nothing stalls, and good records among bad ones
have their effect."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from tests.fuzz.orders import Sent, bytes_, order, records
from tests.fuzz.town import REPLIES, SERVICES, Town, waits
from tests.fuzz.tried import CASES, tiers, tried
from tests.support.events import submitted
from tests.support.process import ServiceProcess
from tests.support.wire import OWNERS

from amanah import project

GOOD = (
    ("acknowledge", {}, "case.acknowledged.v1"),
    ("request_information", {"question": "Where?"}, "case.information_requested.v1"),
    ("receive_information", {}, "case.information_received.v1"),
    ("extend", {"reason": "Rain."}, "case.extended.v1"),
    ("reply", {"reply": "We come."}, "case.replied.v1"),
    ("resolve", {"outcome": "Done."}, "case.resolved.v1"),
)
"""Orders, and what the desk says of each."""


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
        before = town.dead(*SERVICES)
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
                lambda service=service, due=due: town.dead(service)[service] == due,
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
