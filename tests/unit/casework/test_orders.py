"""An order becomes one action and one event; a refusal goes to whoever gave the order, and tells it nothing of others."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from amanah_casework.app import CONSUMES, ORDERS, PRODUCES
from amanah_casework.domain import Case
from amanah_casework.orders import VERBS, AgencyOrder, execute, order_of, unknown_case
from amanah_contracts.agency import AcknowledgeCase, DeclineCase, ReplyToCase, ResolveCase
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseDeclined,
    CaseEvent,
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


def received(
    message: AgencyOrder, agency: str = "roads", case: Case | None = CASE
) -> tuple[Case | None, CaseEvent, str]:
    order = order_of(message, agency, "order-1", RECEIVED)
    outcome = execute(case, message, order) if case else unknown_case(message, order)
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


PRIVATE = "NIK 6303051511900017, 0812-7777-0017, warga@example.org"
MASKED = "NIK [NIK], [phone], [e-mail]"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (ReplyToCase(complaint_id=COMPLAINT, reply=PRIVATE), "reply"),
        (ResolveCase(complaint_id=COMPLAINT, outcome=PRIVATE), "outcome"),
        (DeclineCase(complaint_id=COMPLAINT, reason=PRIVATE), "reason"),
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
    ],
)
def test_masks_that_are_longer_than_what_they_hide_still_fit_the_contract(message: AgencyOrder) -> None:
    _, event, _ = received(message)
    assert b"@" not in event.view(None)


def test_every_order_of_the_contracts_is_taken_and_every_event_is_declared() -> None:
    assert set(VERBS) == set(ORDERS) == set(COMMANDS)
    assert {order.type(): verb.value for order, verb in VERBS.items()} == {
        "case.acknowledge.v1": "acknowledge",
        "case.reply.v1": "reply",
        "case.resolve.v1": "resolve",
        "case.decline.v1": "decline",
    }
    assert not PRODUCES & set(CONSUMES)
    assert {CaseAcknowledged, CaseReplied, CaseResolved, CaseDeclined, CaseOrderRefused} == PRODUCES


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
