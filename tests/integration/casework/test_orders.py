"""Orders over an agency's own topic and over HTTP: the same events, once, for the holder only, whatever is sent."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from tests.integration.casework.support import NARRATIVE, Agency, assigned, emitted, give, state, told
from tests.support.events import routed
from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Wire, eventually

JOURNEYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "resolved": [("acknowledge", {}), ("reply", {"reply": "We come."}), ("resolve", {"outcome": "Filled."})],
    "declined": [("decline", {"reason": "A state road.", "proposed_agency": "nypd"})],
    "acknowledged": [
        ("acknowledge", {}),
        ("request_information", {"question": "Which side of the road?"}),
        ("extend", {"reason": "Much rain.", "article": "Art. 9 (2)"}),
        ("receive_information", {}),
    ],
}
"""Where each leads, and how."""
EVENTS = {
    "acknowledge": "case.acknowledged.v1",
    "reply": "case.replied.v1",
    "resolve": "case.resolved.v1",
    "decline": "case.declined.v1",
    "request_information": "case.information_requested.v1",
    "receive_information": "case.information_received.v1",
    "extend": "case.extended.v1",
}


@pytest.mark.parametrize(("way", "journey"), list(product(["topic", "http"], JOURNEYS)))
async def test_both_ways_give_the_same_events_on_both_topics(
    way: str, journey: str, desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    claimed = datetime.now(UTC) - timedelta(seconds=1)
    complaint = await assigned(wire, desk, at=claimed - timedelta(hours=1))
    for verb, body in JOURNEYS[journey]:
        await give(way, desk, dot, verb, complaint, {**body, "occurred_at": claimed.isoformat()})
    last = EVENTS[JOURNEYS[journey][-1][0]]
    for topic in ("amanah.cases", "amanah.agency.dot"):
        await said.wait_for(complaint, last, topic=topic)
    records = said.of(complaint)
    mine = {"agency": "dot", "actor": "agency", "source_ref": "CANARY-REF"}
    expected = [(EVENTS[verb], {**mine, **body}) for verb, body in JOURNEYS[journey]]
    assert told(records, "amanah.cases") == told(records, "amanah.agency.dot") == expected
    assert [r.sequence for r in records if r.topic == "amanah.agency.dot"] == list(range(1, len(expected) + 1))
    for record in records:
        assert record.instant("occurred_at") == claimed
        assert record.instant("received_at") > claimed
    assert state(desk, complaint) == journey


@pytest.mark.parametrize("lie", [{}, {"source": "agency/dot"}, {"agency": "dot"}], ids=["plain", "source", "body"])
async def test_another_agencys_order_changes_nothing_and_only_it_hears_of_that(
    lie: dict[str, str], desk: ServiceProcess, wire: Wire, nypd: Agency, said: Reader
) -> None:
    """Whose order it is, the topic says: no header and no field can claim to be another agency."""
    complaint = await assigned(wire, desk)
    order_id = nypd.order("resolve", complaint, outcome="CANARY-TRICK", **lie)
    [refusal] = await said.wait_for(complaint, "case.", topic="amanah.agency.nypd")
    assert refusal.type == "case.order_refused.v1"
    assert refusal.body["reason"] == "not_the_holder"
    assert (refusal.body["agency"], refusal.body["order_id"]) == ("nypd", order_id)
    assert not [word for word in ("dot", "CANARY", "Street Condition", "assigned") if word in refusal.raw]
    assert state(desk, complaint) == "assigned"
    assert {topic for _, topic in emitted(desk, complaint)} == {"amanah.cases", "amanah.agency.nypd"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"occurred_at": datetime(2020, 1, 1, tzinfo=UTC)}, "occurred_before_filing"),
        ({"occurred_at": datetime.now(UTC) + timedelta(days=1)}, "occurred_in_future"),
    ],
    ids=["before filing", "in future"],
)
async def test_an_impossible_time_is_refused_and_the_case_stands(
    body: dict[str, Any], reason: str, desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    dot.order("resolve", complaint, **body)
    [refusal] = await said.wait_for(complaint, "case.order_refused", topic="amanah.agency.dot")
    assert (refusal.body["reason"], refusal.body["source_ref"]) == (reason, "CANARY-REF")
    assert state(desk, complaint) == "assigned"
    dot.order("resolve", complaint)  # the true time, under a new id
    await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")


async def test_an_order_given_twice_has_one_effect_whatever_its_id(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    """Ids are the agency's own: any bytes, and used again for another case or another deed they name another order."""
    first, second = await assigned(wire, desk), await assigned(wire, desk)
    for complaint in (first, second):
        for _ in range(2):
            dot.order("acknowledge", complaint, "1")
            dot.order("reply", complaint, "1", reply="one")
            dot.order("reply", complaint, b"\xff\x01", reply="two")
            dot.order("reply", complaint, b"\xfe\x01", reply="three")
        dot.order("resolve", complaint, "the end")
    for complaint in (first, second):
        await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")
        mine = told(said.of(complaint), "amanah.agency.dot")
        assert [(kind.split(".")[1], body.get("reply")) for kind, body in mine] == [
            ("acknowledged", None),
            ("replied", "one"),
            ("replied", "two"),
            ("replied", "three"),
            ("resolved", None),
        ]


async def test_without_an_id_each_record_is_an_order(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    value = f'{{"complaint_id": "{complaint}", "reply": "again"}}'.encode()
    for headers in ([], [("ce_id", b"")], [("ce_id", None)]):
        dot.put(value, [*headers, ("ce_type", b"case.reply.v1")])
    dot.order("resolve", complaint)
    await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")
    assert [kind for kind, _ in told(said.of(complaint), "amanah.agency.dot")] == [
        *["case.replied.v1"] * 3,
        "case.resolved.v1",
    ]


async def test_orders_that_come_before_the_assignment_wait_and_are_then_carried_out_in_their_order(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = uuid4()
    dot.order("acknowledge", complaint)
    dot.order("reply", complaint, reply="early")
    waiting = "select count(*) from chassis_parked where subject = %s"
    await eventually(lambda: desk.sql(waiting, complaint) == [(2,)], "the two orders to be set aside")
    assert emitted(desk, complaint) == []
    await assigned(wire, desk, complaint=complaint, at=datetime.now(UTC) - timedelta(minutes=1))
    await said.wait_for(complaint, "case.replied", topic="amanah.agency.dot")
    mine = [kind for kind, _ in told(said.of(complaint), "amanah.agency.dot")]
    assert mine == ["case.acknowledged.v1", "case.replied.v1"]
    assert desk.sql(waiting, complaint) == [(0,)]


async def test_an_order_never_overtakes_an_earlier_one_that_still_waits(
    desk: ServiceProcess, dot: Agency, said: Reader
) -> None:
    """The moment between the assignment and the second look at what was set aside, held still."""
    complaint, long_ago = uuid4(), datetime.now(UTC) - timedelta(days=1)
    waiting = "select count(*) from chassis_parked where subject = %s"
    dot.order("acknowledge", complaint)
    await eventually(lambda: desk.sql(waiting, complaint) == [(1,)], "the order to be set aside")
    desk.sql(
        'insert into "case" (complaint_id, agency, assignment, state, category, visibility, submitted_at, assigned_at,'
        " changed_at) values (%s, 'dot', 1, 'assigned', 'Street Condition', 'open', %s, %s, %s)",
        *(complaint, long_ago, long_ago, long_ago),
    )
    dot.order("resolve", complaint)
    await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")
    mine = [kind for kind, _ in told(said.of(complaint), "amanah.agency.dot")]
    assert mine == ["case.acknowledged.v1", "case.resolved.v1"]
    assert desk.sql(waiting, complaint) == [(0,)]


async def test_an_order_about_a_complaint_that_never_comes_is_refused_in_the_end(
    desk: ServiceProcess, dot: Agency, said: Reader
) -> None:
    complaint = uuid4()
    order_id = dot.order("resolve", complaint)
    waiting = "select count(*) from chassis_parked where subject = %s"
    await eventually(lambda: desk.sql(waiting, complaint) == [(1,)], "the order to be set aside")
    # Eleven minutes pass.
    desk.sql(
        "update chassis_parked set appended_at = appended_at - interval '11 minutes',"
        " parked_at = parked_at - interval '11 minutes' where subject = %s",
        complaint,
    )
    [refusal] = await said.wait_for(complaint, "case.order_refused", topic="amanah.agency.dot")
    assert (refusal.body["reason"], refusal.body["order_id"]) == ("unknown_complaint", order_id)
    assert desk.sql(waiting, complaint) == [(0,)]


async def test_what_is_no_order_is_dead_lettered_and_the_partition_goes_on(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    reply, good = ("ce_type", b"case.reply.v1"), f'{{"complaint_id": "{complaint}", "reply": "fine"}}'.encode()
    broken: list[tuple[bytes | None, list[tuple[str, bytes | None]]]] = [
        (None, [reply]),
        (b"", [reply]),
        (b"{", [reply]),
        (b"\xff\xfe", [reply]),
        (b"[]", [reply]),
        (b'{"reply": "of what?"}', [reply]),
        (f'{{"complaint_id": "{complaint}"}}'.encode(), [reply]),
        (good.replace(b'"fine"', b"7"), [reply]),
        (good.replace(b'"fine"', b'"fine", "occurred_at": "2026-03-16T09:00:00"'), [reply]),  # of which zone?
        (good.replace(b"fine", b"x" * 8001), [reply]),
        (good, []),
        (good, [("ce_type", None)]),
        (good, [("ce_type", b"\xff")]),
        (good, [("ce_type", b"case.reply.v9")]),
        (good, [("ce_type", b"case.promote.v1")]),
    ]
    letters = "select count(*) from chassis_dead_letter where topic = %s"
    [(before,)] = desk.sql(letters, dot.topic)
    for value, headers in broken:
        dot.put(value, headers)
    dot.order("resolve", complaint, outcome="the partition goes on")
    await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")
    assert desk.sql(letters, dot.topic) == [(before + len(broken),)]
    kinds = [kind for kind, _ in told(said.of(complaint), "amanah.agency.dot")]
    assert kinds == ["case.resolved.v1"]


async def test_an_agency_cannot_pass_a_fact_off_as_an_event(
    desk: ServiceProcess, wire: Wire, nypd: Agency, said: Reader
) -> None:
    """An event on a replies topic, well made and with its owner's name, gives nobody the case."""
    complaint = await assigned(wire, desk)
    forged = routed(complaint, datetime.now(UTC), "nypd", 2)
    headers = {"ce_id": str(uuid4()), "ce_source": "amanah.routing", "ce_type": forged.type(), "ce_sequence": "2"}
    nypd.put(forged.view(None), [(name, value.encode()) for name, value in headers.items()], complaint)
    nypd.order("resolve", complaint)
    [refusal] = await said.wait_for(complaint, "case.", topic="amanah.agency.nypd")
    assert refusal.body["reason"] == "not_the_holder"
    assert desk.sql('select agency from "case" where complaint_id = %s', complaint) == [("dot",)]


async def test_after_a_transfer_only_the_new_holder_is_obeyed(
    desk: ServiceProcess, wire: Wire, dot: Agency, nypd: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    dot.order("decline", complaint, reason="Not ours.")
    await said.wait_for(complaint, "case.declined", topic="amanah.agency.dot")
    await assigned(wire, desk, "nypd", 2, complaint=complaint)
    dot.order("reply", complaint, reply="After all?")
    nypd.order("acknowledge", complaint)
    [done] = await said.wait_for(complaint, "case.acknowledged", topic="amanah.agency.nypd")
    assert done.sequence == 1  # the stream of this agency's topic begins with what it may see
    records = await said.wait_for(complaint, "case.order_refused", topic="amanah.agency.dot")
    assert records[-1].body["reason"] == "not_the_holder"
    assert state(desk, complaint) == "acknowledged"


async def test_a_killed_desk_carries_out_each_order_once(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaints = [await assigned(wire, desk) for _ in range(10)]
    for number, complaint in enumerate(complaints):
        dot.order("reply", complaint, reply="once")
        dot.order("resolve", complaint)
        if number == 4:
            desk.kill()
            desk.start()
    for complaint in complaints:
        await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")
        kinds = [kind for kind, topic in emitted(desk, complaint) if topic == "amanah.cases"]
        assert kinds == ["case.replied.v1", "case.resolved.v1"]


async def test_no_narrative_leaves_the_desk(desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader) -> None:
    """The complaint's words are on the assignment; the desk's events and its log repeat none of them."""
    complaint = await assigned(wire, desk)
    dot.order("reply", complaint, reply="CANARY-REPLY")
    records = await said.wait_for(complaint, "case.replied", topic="amanah.cases")
    assert all(NARRATIVE not in r.raw for r in records)
    await asyncio.to_thread(desk.get, "/metrics")
    assert "CANARY" not in desk.log.read_text()
    assert "CANARY" not in desk.get("/metrics")


PRIVATE = "NIK 6303051511900033, 0812-7777-0033, warga.zk3@example.org"
TABLES = ('"case"', "action")
CANARIES = ("6303051511900033", "0812-7777-0033", "warga.zk3")


@pytest.mark.parametrize("way", ["topic", "http"])
@pytest.mark.parametrize(
    ("verb", "field"),
    [
        ("reply", "reply"),
        ("resolve", "outcome"),
        ("decline", "reason"),
        ("request_information", "question"),
        ("extend", "reason"),
    ],
)
async def test_nothing_that_names_a_person_is_published_or_kept(
    way: str, verb: str, field: str, desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    await give(way, desk, dot, verb, complaint, {field: PRIVATE})
    for topic in ("amanah.cases", "amanah.agency.dot"):
        [record] = await said.wait_for(complaint, EVENTS[verb], topic=topic)
        assert record.body[field] == "NIK [NIK], [phone], [e-mail]"
    rows = [str(desk.sql(f"select t::text from {table} t where complaint_id = %s", complaint)) for table in TABLES]
    sent = desk.sql("select value from chassis_outbox where subject = %s", complaint)
    rows += [bytes(value).decode() for (value,) in sent]
    assert all(rows)
    for place in [*rows, *(record.raw for record in said.records), desk.log.read_text()]:
        assert not any(canary in place for canary in CANARIES), place
