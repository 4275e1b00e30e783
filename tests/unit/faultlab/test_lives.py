"""Kafka lost what it had, and what it holds now is judged together with what it held then: nothing may hide between them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.faultlab.evidence import AGENCY, END, MAIL, START, C, World, breached, filed, resolved, without

from amanah.faultlab.model import Kept, Record

DUE = START + 5_000
AGAIN = 20_000
"""How much later the broker stamps a record that is sent again."""


def kept(world: World) -> World:
    """With an outbox that has all events of services."""
    ledger = {
        (record.topic, record.id): Kept(record.type, record.subject, record.sequence, record.body)
        for record in world.records
        if record.sequence
    }
    world.rows = replace(world.rows, ledger=ledger)
    return world


def wiped(world: World, *, orders: bool = True) -> World:
    """All that Kafka had is gone and lies there again, with later stamps and at other places."""
    kept(world)
    again = [record for record in world.records if record.sequence or orders]
    world.records += [
        replace(record, life=1, offset=record.offset + 3, appended_ms=record.appended_ms + AGAIN) for record in again
    ]
    return world


@pytest.mark.parametrize(
    "world", [filed(), resolved(DUE - 500, DUE), breached()], ids=["filed", "resolved", "breached"]
)
def test_what_lies_there_again_is_no_finding(world: World) -> None:
    assert wiped(world).found() == []


@pytest.mark.parametrize("kind", ["complaint.submitted.v1", "complaint.routed.v1", "deadline.breached.v1"])
def test_lost_write_an_event_of_old_is_not_there_again(kind: str) -> None:
    world = wiped(breached())
    world.records = [record for record in world.records if not (record.type == kind and record.life)]
    assert "lost-write" in world.names()
    world.rows = replace(world.rows, ledger={})  # also when the outbox has lost it too
    assert "lost-write" in world.names()


def test_lost_write_the_outbox_calls_sent_what_kafka_does_not_have() -> None:
    world = kept(filed())
    assert world.found() == []
    world.records = [record for record in world.records if record.topic != f"amanah.agency.{AGENCY}"]
    assert world.names() == ["lost-write"]


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"sequence": 7}, ["phantom", "seq-gap", "seq-inversion"]),
        ({"body": {"complaint_id": C, "source_ref": "another"}}, ["phantom"]),
        ({"type": "complaint.heard.v1"}, ["phantom"]),
    ],
)
def test_phantom_an_event_is_not_what_it_was(changed: dict[str, object], names: list[str]) -> None:
    def spoilt(record: Record) -> Record:
        return replace(record, **changed) if record.topic == "amanah.complaints" and record.life else record  # type: ignore[arg-type]

    world = wiped(filed())
    world.records = [spoilt(record) for record in world.records]
    assert world.names() == names


def test_phantom_what_kafka_has_is_not_what_the_outbox_has() -> None:
    world = kept(filed())
    place = next(place for place in world.rows.ledger if place[0] == "amanah.complaints")
    other = replace(world.rows.ledger[place], body={"complaint_id": C, "source_ref": "another"})
    world.rows = replace(world.rows, ledger={**world.rows.ledger, place: other})
    assert world.names() == ["phantom"]


def test_seq_inversion_a_number_of_old_is_another_event_now() -> None:
    world = wiped(breached())
    world.rows = replace(world.rows, ledger={})
    world.records = [
        replace(record, id="another") if record.type == "deadline.started.v1" and record.life else record
        for record in world.records
    ]
    assert "seq-inversion" in world.names()


def test_seq_inversion_the_new_order_is_not_the_old_one() -> None:
    """As if somebody had sent a new event before the old ones were there again."""
    world = wiped(breached())
    world.records = [
        replace(record, offset=0) if record.type == "deadline.breached.v1" and record.life else record
        for record in world.records
    ]
    assert world.names() == ["seq-inversion"]


def test_double_accept_an_effect_that_comes_again_as_another_event() -> None:
    world = wiped(resolved(DUE - 500, DUE))
    world.record("amanah.cases", "case.resolved.v1", DUE + AGAIN, 2)
    world.records[-1] = replace(world.records[-1], life=1)
    assert {"double-accept", "illegal-transition"} <= set(world.names())


def test_lost_write_an_order_that_nobody_had_read_is_not_given_again() -> None:
    """Its acknowledgement stands; that Kafka lost it does not excuse that it has no effect."""
    world = wiped(resolved(DUE - 500, DUE), orders=False)
    assert world.found() == []  # the desk had carried it out
    world.records = without(world.records, "case.resolved.v1")
    world.rows = replace(world.rows, ledger={})
    assert "lost-write" in world.names()


def test_an_order_counts_from_the_stamp_that_the_desk_saw() -> None:
    """Given in time, lost unread, given again too late: then too late is what anybody can know, and the breach stands."""

    def world(seen_ms: int) -> World:
        made = breached(DUE, DUE + 50)
        made.order("resolve", DUE - 500)
        instant = datetime.fromtimestamp(seen_ms / 1000, UTC).isoformat()
        made.record("amanah.cases", "case.resolved.v1", DUE + AGAIN, received_at=instant)
        made.tell("case.resolved.v1", MAIL)
        made.op("drain", "ok", {"seconds": 1.0}, END + AGAIN)
        return wiped(made)

    assert world(DUE - 500 + AGAIN).found() == []
    assert world(DUE - 500).names() == ["breach-after-completion"]
    assert world(DUE - 400).names() == ["breach-after-completion"]  # no stamp that the broker ever gave


def test_the_place_of_another_life_is_another_place() -> None:
    world = filed()
    order = world.order("acknowledge", START + 100)
    world.record("amanah.cases", "case.acknowledged.v1", START + 110)
    wiped(world, orders=False)
    value = dict(world.ops[-1].value)
    assert world.found() == []
    world.op("order", "ok", value | {"place": replace(order, life=1).place})
    assert world.names() == ["lost-write"]
