"""Questions, extensions and withdrawals where orders come twice, all at once, by two ways, too late, or from a stranger."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest
from tests.integration.casework.support import NARRATIVE, Agency, assigned, emitted, give, state
from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Record, Wire, eventually

from amanah_casework.domain import Verb, action_id

ERROR = {"reason": "Entered in error."}


def short(records: list[Record]) -> list[str]:
    """What was said on the agency's topic, in a word or two each: `extended`, `extended_before`."""
    return [r.body.get("reason", "") if "refused" in r.type else r.type.split(".")[1] for r in records]


async def settled(said: Reader, complaint: UUID, number: int, agency: str = "dot") -> list[Record]:
    """The first `number` records about a complaint on an agency's topic."""
    topic = f"amanah.agency.{agency}"
    await said.until(lambda: len(said.of(complaint, "case.", topic)) >= number, f"{number} answers to {agency}")
    return said.of(complaint, "case.", topic)


@pytest.mark.parametrize(("given", "withdrawn"), list(product(["topic", "http"], ["topic", "http"])))
@pytest.mark.parametrize("named", ["letter/17", "0197A1DA-1F00-7C55-B1A4-2D6C8E0F4B21"], ids=["text", "UUID"])
async def test_what_was_given_by_one_way_is_taken_back_by_either(
    given: str, withdrawn: str, named: str, desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    """Under the id that the agency itself gave to its order, whatever became of that on the way."""
    claimed = datetime.now(UTC) - timedelta(seconds=1)
    complaint = await assigned(wire, desk, at=claimed - timedelta(hours=1))
    await give(given, desk, dot, "request_information", complaint, {"question": "Where?"}, named)
    await settled(said, complaint, 1)
    assert state(desk, complaint) == "waiting"
    body = {**ERROR, "order_id": named, "occurred_at": claimed.isoformat()}
    await give(withdrawn, desk, dot, "withdraw_action", complaint, body, "letter/18")
    for topic in ("amanah.cases", "amanah.agency.dot"):
        asked, back = (await said.wait_for(complaint, "case.action_withdrawn", topic=topic))[-2:]
        assert (asked.type, back.type) == ("case.information_requested.v1", "case.action_withdrawn.v1")
        assert back.body["withdraws"] == asked.body["action"] != back.body["action"]
        assert (back.body["reason"], back.body["actor"], back.body["agency"]) == (ERROR["reason"], "agency", "dot")
        assert back.instant("occurred_at") == claimed < back.instant("received_at")
    assert state(desk, complaint) == "assigned"


async def test_each_order_has_one_effect_however_often_it_comes(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    """Also the one that was taken back: its record, once more, does not undo the withdrawal."""
    complaint, ids = await assigned(wire, desk), {verb: str(uuid4()) for verb in Verb}
    back = {**ERROR, "order_id": ids[Verb.REPLY]}
    orders: list[tuple[Verb, dict[str, Any]]] = [
        (Verb.REQUEST_INFORMATION, {"question": "Where?"}),
        (Verb.RECEIVE_INFORMATION, {}),
        (Verb.EXTEND, {"reason": "Rain."}),
        (Verb.REPLY, {"reply": "We come."}),
        (Verb.WITHDRAW_ACTION, back),
    ]
    for verb, body in orders:
        for _ in range(2):
            dot.order(verb, complaint, ids[verb], **body)
    for verb, body in orders:
        dot.order(verb, complaint, ids[verb], **body)
    dot.order("resolve", complaint, ids[Verb.RESOLVE])
    await said.wait_for(complaint, "case.resolved", topic="amanah.agency.dot")
    records = said.of(complaint, "case.", "amanah.agency.dot")
    assert short(records) == [
        *("information_requested", "information_received", "extended", "replied", "action_withdrawn", "resolved")
    ]
    given = [*(verb for verb, _ in orders), Verb.RESOLVE]
    assert [r.body["action"] for r in records] == [str(action_id(complaint, "dot", verb, ids[verb])) for verb in given]
    assert records[4].body["withdraws"] == records[3].body["action"]


async def test_orders_for_one_case_that_come_all_at_once_are_carried_out_one_after_the_other(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    """In one batch, and so in one transaction: each finds the case as the one before has left it."""
    complaint, other = await assigned(wire, desk), await assigned(wire, desk)
    desk.stop()
    for each in (complaint, other):
        dot.order("acknowledge", each, "a")
        dot.order("extend", each, "b", reason="Rain.")
        dot.order("extend", each, "c", reason="More rain.")
        dot.order("withdraw_action", each, "d", order_id="a", **ERROR)
        dot.order("withdraw_action", each, "e", order_id="b", **ERROR)
        dot.order("extend", each, "f", reason="More rain.")
        dot.order("request_information", each, "g", question="Where?")
        dot.order("request_information", each, "h", question="And when?")
        dot.order("receive_information", each, "i")
    desk.start()
    for each in (complaint, other):
        assert short(await settled(said, each, 9)) == [
            *("acknowledged", "extended", "extended_before", "not_the_last_action", "action_withdrawn", "extended"),
            *("information_requested", "not_possible_now", "information_received"),
        ]
        assert state(desk, each) == "acknowledged"


async def test_orders_that_waited_for_the_assignment_may_take_one_another_back(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = uuid4()
    dot.order("extend", complaint, "a", reason="Rain.")
    dot.order("withdraw_action", complaint, "b", order_id="a", **ERROR)
    dot.order("extend", complaint, "c", reason="Rain.")
    waiting = "select count(*) from chassis_parked where subject = %s"
    await eventually(lambda: desk.sql(waiting, complaint) == [(3,)], "the three orders to be set aside")
    await assigned(wire, desk, complaint=complaint, at=datetime.now(UTC) - timedelta(minutes=1))
    assert short(await settled(said, complaint, 3)) == ["extended", "action_withdrawn", "extended"]


async def test_only_the_last_deed_is_taken_back_and_then_the_one_before_it(
    desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader
) -> None:
    complaint = await assigned(wire, desk)
    first = dot.order("acknowledge", complaint)
    second = dot.order("reply", complaint, reply="We come.")
    for named in (first, second, second, first, "never given"):
        dot.order("withdraw_action", complaint, order_id=named, **ERROR)
    assert short(await settled(said, complaint, 7)) == [
        *("acknowledged", "replied", "not_the_last_action", "action_withdrawn", "withdrawn_before"),
        *("action_withdrawn", "unknown_order"),
    ]
    assert state(desk, complaint) == "assigned"


async def test_a_refusal_is_taken_back_only_as_long_as_nobody_else_has_the_case(
    desk: ServiceProcess, wire: Wire, dot: Agency, nypd: Agency, said: Reader
) -> None:
    """If routing decides meanwhile, its assignment comes after the withdrawal, and stands."""
    complaint = await assigned(wire, desk)
    dot.order("acknowledge", complaint)
    declined = dot.order("decline", complaint, reason="Not ours.")
    dot.order("withdraw_action", complaint, order_id=declined, **ERROR)
    assert short(await settled(said, complaint, 3))[-1] == "action_withdrawn"
    assert state(desk, complaint) == "acknowledged"
    declined = dot.order("decline", complaint, reason="Not ours after all.")
    await settled(said, complaint, 4)
    await assigned(wire, desk, "nypd", 2, complaint=complaint)
    dot.order("withdraw_action", complaint, order_id=declined, **ERROR)
    assert short(await settled(said, complaint, 5))[-1] == "not_the_holder"
    nypd.order("withdraw_action", complaint, order_id=declined, **ERROR)
    assert short(await settled(said, complaint, 1, "nypd")) == ["unknown_order"]  # of another's deeds it learns nothing
    assert state(desk, complaint) == "assigned"


async def test_a_case_that_comes_back_begins_anew(desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader) -> None:
    complaint = await assigned(wire, desk)
    extended = dot.order("extend", complaint, reason="Rain.")
    dot.order("acknowledge", complaint)
    await settled(said, complaint, 2)
    await assigned(wire, desk, "nypd", 2, complaint=complaint)
    await assigned(wire, desk, "dot", 3, complaint=complaint)
    dot.order("withdraw_action", complaint, order_id=extended, **ERROR)
    dot.order("extend", complaint, reason="Snow.")
    dot.order("request_information", complaint, question="Where?")
    dot.order("receive_information", complaint)
    assert short(await settled(said, complaint, 6))[2:] == [
        *("not_the_last_action", "extended", "information_requested", "information_received")
    ]
    assert state(desk, complaint) == "assigned"


async def test_a_whistle_blowers_case_goes_on_without_a_word_of_the_report(
    desk: ServiceProcess, wire: Wire, dot: Agency, nypd: Agency, said: Reader
) -> None:
    """Its holder may do all that it may do with any other; the agency that the report may be about hears nothing of it."""
    complaint = await assigned(wire, desk, visibility="whistle_blower", narrative=None)
    dot.order("request_information", complaint, question="Is 0812-7777-0044 the number?")
    dot.order("receive_information", complaint)
    extended = dot.order("extend", complaint, reason="Much to read.")
    dot.order("withdraw_action", complaint, order_id=extended, **ERROR)
    tried = nypd.order("withdraw_action", complaint, order_id=extended, **ERROR)
    records = await settled(said, complaint, 4)
    assert short(records) == ["information_requested", "information_received", "extended", "action_withdrawn"]
    assert records[0].body["question"] == "Is [phone] the number?"
    [refused] = await settled(said, complaint, 1, "nypd")
    assert (refused.body["reason"], refused.body["order_id"]) == ("not_the_holder", tried)
    heard = [kind for kind, topic in emitted(desk, complaint) if topic not in {"amanah.cases", "amanah.agency.dot"}]
    assert heard == ["case.order_refused.v1"]
    assert not [word for word in ("dot", "CANARY", "whistle", "waiting", extended) if word in refused.raw]
    assert not [r for r in said.of(complaint) if NARRATIVE in r.raw or "0812-7777-0044" in r.raw]


def done_by_the_release_before(desk: ServiceProcess, complaint: UUID, order_id: str, verb: str, then: str) -> None:
    desk.sql(
        "insert into action (complaint_id, agency, order_id, verb, outcome, detail, occurred_at, received_at)"
        " values (%s, 'dot', %s, %s, 'done', null, now(), now())",
        *(complaint, order_id, verb),
    )
    desk.sql('update "case" set state = %s where complaint_id = %s', then, complaint)


async def test_what_the_release_before_did_counts(desk: ServiceProcess, wire: Wire, dot: Agency, said: Reader) -> None:
    """It knows no assignment, and may be running still: its deeds are of the one in which they were received."""
    complaint = await assigned(wire, desk)
    done_by_the_release_before(desk, complaint, "a", "acknowledge", "acknowledged")
    dot.order("request_information", complaint, "b", question="Where?")
    dot.order("receive_information", complaint, "c")
    await settled(said, complaint, 2)
    assert state(desk, complaint) == "acknowledged"
    await assigned(wire, desk, "nypd", 2, complaint=complaint)
    await assigned(wire, desk, "dot", 3, complaint=complaint)
    dot.order("withdraw_action", complaint, order_id="a", **ERROR)
    await settled(said, complaint, 3)
    done_by_the_release_before(desk, complaint, str(uuid5(NAMESPACE_URL, f"{dot.topic}/d")), "reply", "replied")
    dot.order("request_information", complaint, "e", question="Where?")
    dot.order("receive_information", complaint, "f")
    await settled(said, complaint, 5)
    assert state(desk, complaint) == "replied"
    for named in ("f", "e", "d", "d"):
        dot.order("withdraw_action", complaint, order_id=named, **ERROR)
    assert short(await settled(said, complaint, 9)) == [
        *("information_requested", "information_received", "not_the_last_action"),
        *("information_requested", "information_received"),
        *("action_withdrawn", "action_withdrawn", "action_withdrawn", "withdrawn_before"),
    ]
    assert state(desk, complaint) == "assigned"
