"""An order becomes one action and one event; a refusal goes to whoever gave the order, and tells it nothing of others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from amanah_casework.app import CONSUMES, ORDERS, PRODUCES
from amanah_casework.domain import Case, Deed, Verb, action_id
from amanah_casework.orders import EVENTS, VERBS, AgencyOrder, execute, order_of, unknown_case
from amanah_chassis.batch import Origin
from amanah_chassis.decode import delivered
from amanah_contracts.agency import (
    AcknowledgeCase,
    DeclineCase,
    ExtendCase,
    ReceiveInformationOnCase,
    ReplyToCase,
    RequestInformationOnCase,
    ResolveCase,
    WithdrawActionOnCase,
)
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseEvent,
    CaseExtended,
    CaseInformationReceived,
    CaseInformationRequested,
    CaseOrderRefused,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.registry import COMMANDS
from amanah_contracts.vocabulary import Actor

COMPLAINT = UUID(int=7)
FILED = datetime(2026, 3, 16, 1, 0, tzinfo=UTC)
DONE = FILED + timedelta(days=2)
RECEIVED = FILED + timedelta(days=3)
CASE = Case(COMPLAINT, "roads", 1, "assigned", "Pothole", None, "open", "A hole.", "R-1", FILED, FILED)


WAITING = replace(CASE, state="waiting")
ASKED = Deed("order-0", Verb.REQUEST_INFORMATION, 1)


def received(
    message: AgencyOrder, agency: str = "roads", case: Case | None = CASE, deeds: Sequence[Deed] = ()
) -> tuple[Case | None, CaseEvent, str]:
    order = order_of(message, agency, "order-1", RECEIVED)
    outcome = execute(case, message, order, deeds) if case else unknown_case(message, order)
    assert outcome.action.assignment == (outcome.case.assignment if outcome.case else None)
    assert outcome.action.complaint_id == COMPLAINT
    assert (outcome.action.agency, outcome.action.order_id) == (agency, "order-1")
    return outcome.case, outcome.event, outcome.action.outcome


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (AcknowledgeCase(complaint_id=COMPLAINT, occurred_at=DONE), CaseAcknowledged),
        (ReplyToCase(complaint_id=COMPLAINT, occurred_at=DONE, reply="We come."), CaseReplied),
        (ResolveCase(complaint_id=COMPLAINT, occurred_at=DONE, outcome="Filled."), CaseResolved),
        (
            DeclineCase(complaint_id=COMPLAINT, occurred_at=DONE, reason="No road.", proposed_agency="water"),
            CaseDeclined,
        ),
        (
            RequestInformationOnCase(complaint_id=COMPLAINT, occurred_at=DONE, question="Which hole?"),
            CaseInformationRequested,
        ),
        (
            ExtendCase(complaint_id=COMPLAINT, occurred_at=DONE, reason="Much rain.", article="Pasal 9 ayat (2)"),
            CaseExtended,
        ),
    ],
)
def test_each_order_has_its_event(message: AgencyOrder, event: type[CaseEvent]) -> None:
    after, emitted, outcome = received(message)
    assert type(emitted) is event
    assert outcome == "done"
    assert after is not None
    said = message.model_dump(exclude={"occurred_at"})
    assert {name: getattr(emitted, name) for name in said} == said  # every word of the order is in the event
    assert (emitted.occurred_at, emitted.received_at) == (DONE, RECEIVED)
    assert (emitted.agency, emitted.actor, emitted.source_ref) == ("roads", Actor.AGENCY, "R-1")
    assert emitted.action == action_id(COMPLAINT, "roads", VERBS[type(message)], "order-1")


def test_an_answer_of_the_citizen_has_its_event() -> None:
    message = ReceiveInformationOnCase(complaint_id=COMPLAINT, occurred_at=DONE)
    after, emitted, _ = received(message, case=WAITING, deeds=[ASKED])
    assert type(emitted) is CaseInformationReceived
    assert after == CASE
    assert (emitted.occurred_at, emitted.received_at, emitted.actor) == (DONE, RECEIVED, Actor.AGENCY)
    assert emitted.action == action_id(COMPLAINT, "roads", Verb.RECEIVE_INFORMATION, "order-1")


def test_a_withdrawal_names_what_it_takes_back_and_has_an_id_of_its_own() -> None:
    asked = RequestInformationOnCase(complaint_id=COMPLAINT, question="Which hole?")
    said = execute(CASE, asked, order_of(asked, "roads", "order-0", RECEIVED), ()).event
    message = WithdrawActionOnCase(complaint_id=COMPLAINT, occurred_at=DONE, order_id="order-0", reason="Wrong case.")
    after, emitted, _ = received(message, case=WAITING, deeds=[ASKED])
    assert isinstance(emitted, CaseActionWithdrawn)
    assert after == CASE
    assert (emitted.withdraws, emitted.reason) == (said.action, "Wrong case.")
    assert emitted.action == action_id(COMPLAINT, "roads", Verb.WITHDRAW_ACTION, "order-1")
    assert (emitted.occurred_at, emitted.received_at, emitted.actor) == (DONE, RECEIVED, Actor.AGENCY)


@pytest.mark.parametrize(
    "given", ["0197A1DA-1F00-7C55-B1A4-2D6C8E0F4B21", str(uuid4()), "17", "surat/2026/17", "jawaban №1", "ÿ", "3:99"]
)
def test_an_order_is_taken_back_by_the_id_that_its_agency_gave_it(given: str) -> None:
    """Over HTTP a key is kept as it came; on a topic it is read as the chassis reads any `ce_id`."""
    body = AcknowledgeCase(complaint_id=COMPLAINT).model_dump_json().encode()
    headers = (("ce_id", given.encode()), ("ce_type", b"case.acknowledge.v1"))
    origin = Origin("amanah.agency.roads.replies", 0, 7, RECEIVED, None, headers, body)
    by_topic = str(delivered(origin, AcknowledgeCase).id)
    message = WithdrawActionOnCase(complaint_id=COMPLAINT, order_id=given, reason="Wrong case.")
    for known_as in (given, given.encode().decode("latin-1"), by_topic):
        deeds = [Deed(known_as, Verb.ACKNOWLEDGE, 1)]
        after, _, outcome = received(message, case=replace(CASE, state="acknowledged"), deeds=deeds)
        assert (after, outcome) == (CASE, "done")


def test_another_agency_takes_nothing_back() -> None:
    message = WithdrawActionOnCase(complaint_id=COMPLAINT, order_id="order-0", reason="Mine.")
    _, event, outcome = received(message, agency="water", case=WAITING, deeds=[ASKED])
    assert isinstance(event, CaseOrderRefused)
    assert outcome == "not_the_holder"
    assert "waiting" not in event.view(None).decode()


PRIVATE = "NIK 6303051511900017, 0812-7777-0017, warga@example.org"
MASKED = "NIK [NIK], [phone], [e-mail]"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (ReplyToCase(complaint_id=COMPLAINT, reply=PRIVATE), "reply"),
        (ResolveCase(complaint_id=COMPLAINT, outcome=PRIVATE), "outcome"),
        (DeclineCase(complaint_id=COMPLAINT, reason=PRIVATE), "reason"),
        (RequestInformationOnCase(complaint_id=COMPLAINT, question=PRIVATE), "question"),
        (ExtendCase(complaint_id=COMPLAINT, reason=PRIVATE), "reason"),
        (ExtendCase(complaint_id=COMPLAINT, reason="Rain.", article=PRIVATE), "article"),
    ],
)
def test_what_an_official_quotes_of_a_person_is_published_masked(message: AgencyOrder, field: str) -> None:
    _, event, _ = received(message)
    assert getattr(event, field) == MASKED


@pytest.mark.parametrize(
    "message",
    [
        ReplyToCase(complaint_id=COMPLAINT, reply=("a@b.co " * 2000)[:8000]),
        ResolveCase(complaint_id=COMPLAINT, outcome=("a@b.co " * 2000)[:8000]),
        DeclineCase(complaint_id=COMPLAINT, reason=("a@b.co " * 2000)[:2000]),
        RequestInformationOnCase(complaint_id=COMPLAINT, question=("a@b.co " * 2000)[:8000]),
        ExtendCase(complaint_id=COMPLAINT, reason=("a@b.co " * 2000)[:2000], article=("a@b.co " * 2000)[:200]),
    ],
)
def test_masks_that_are_longer_than_what_they_hide_still_fit_the_contract(message: AgencyOrder) -> None:
    _, event, _ = received(message)
    assert b"@" not in event.view(None)


def test_why_something_is_taken_back_is_published_masked() -> None:
    for reason, published in ((PRIVATE, MASKED), (("a@b.co " * 2000)[:2000], ("[e-mail] " * 2000)[:2000])):
        message = WithdrawActionOnCase(complaint_id=COMPLAINT, order_id="order-0", reason=reason)
        _, event, _ = received(message, case=WAITING, deeds=[ASKED])
        assert isinstance(event, CaseActionWithdrawn)
        assert event.reason == published


def test_every_order_of_the_contracts_is_taken_and_every_event_is_declared() -> None:
    assert set(VERBS) == set(ORDERS) == set(COMMANDS)
    assert {order.type(): verb.value for order, verb in VERBS.items()} == {
        "case.acknowledge.v1": "acknowledge",
        "case.reply.v1": "reply",
        "case.resolve.v1": "resolve",
        "case.decline.v1": "decline",
        "case.request_information.v1": "request_information",
        "case.receive_information.v1": "receive_information",
        "case.extend.v1": "extend",
        "case.withdraw_action.v1": "withdraw_action",
    }
    assert set(EVENTS) == set(VERBS)
    assert not PRODUCES & set(CONSUMES)
    assert {*EVENTS.values(), CaseOrderRefused} == PRODUCES


def test_an_order_without_a_time_was_done_when_it_was_received() -> None:
    _, event, _ = received(AcknowledgeCase(complaint_id=COMPLAINT))
    assert event.occurred_at == event.received_at == RECEIVED


def test_no_event_claims_to_happen_after_its_receipt() -> None:
    """A clock a second ahead is forgiven, and not repeated."""
    _, event, _ = received(AcknowledgeCase(complaint_id=COMPLAINT, occurred_at=RECEIVED + timedelta(seconds=1)))
    assert type(event) is CaseAcknowledged
    assert event.occurred_at == RECEIVED


def test_the_holders_refusal_names_its_order_and_its_own_number() -> None:
    after, event, outcome = received(ResolveCase(complaint_id=COMPLAINT, occurred_at=FILED - timedelta(days=1)))
    assert after is None
    assert isinstance(event, CaseOrderRefused)
    assert (event.reason, outcome) == ("occurred_before_filing", "occurred_before_filing")
    assert (event.order, event.order_id) == ("case.resolve.v1", "order-1")
    assert (event.agency, event.actor, event.source_ref) == ("roads", Actor.SYSTEM, "R-1")
    assert event.occurred_at == event.received_at == RECEIVED  # not the impossible time that was claimed
    assert event.action is None  # nothing was done


def test_a_strangers_refusal_goes_to_the_stranger_and_says_nothing_of_the_case() -> None:
    _, event, _ = received(ResolveCase(complaint_id=COMPLAINT, outcome="Mine."), agency="water")
    assert isinstance(event, CaseOrderRefused)
    assert event.addressee == "water"
    assert event.reason == "not_the_holder"
    shown = event.view(None).decode()
    assert not [secret for secret in ("roads", "R-1", "A hole.", "Pothole", "assigned") if secret in shown]


def test_an_order_about_a_complaint_that_never_came() -> None:
    _, event, outcome = received(ResolveCase(complaint_id=COMPLAINT), case=None)
    assert isinstance(event, CaseOrderRefused)
    assert (event.reason, outcome, event.addressee) == ("unknown_complaint", "unknown_complaint", "roads")
