"""What an agency may do with a case: every order in every state, and what is refused before the state is looked at."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from amanah_casework.domain import CLOCK_LEEWAY, TRANSITIONS, Case, Deed, Order, Refusal, Verb, carry_out

COMPLAINT = UUID(int=7)
FILED = datetime(2026, 3, 16, 1, 0, tzinfo=UTC)
RECEIVED = FILED + timedelta(days=3)
WAYS: dict[str, list[str]] = {
    "assigned": [],
    "acknowledged": ["acknowledge"],
    "replied": ["acknowledge", "reply"],
    "waiting": ["acknowledge", "request_information"],
    "resolved": ["acknowledge", "resolve"],
    "declined": ["acknowledge", "decline"],
}
"""Each state, and what was done to come there."""
AFTER = {
    ("assigned", "acknowledge"): "acknowledged",
    ("assigned", "reply"): "replied",
    ("assigned", "resolve"): "resolved",
    ("assigned", "decline"): "declined",
    ("assigned", "request_information"): "waiting",
    ("assigned", "extend"): "assigned",
    ("acknowledged", "reply"): "replied",
    ("acknowledged", "resolve"): "resolved",
    ("acknowledged", "decline"): "declined",
    ("acknowledged", "request_information"): "waiting",
    ("acknowledged", "extend"): "acknowledged",
    ("acknowledged", "withdraw_action"): "assigned",
    ("replied", "reply"): "replied",
    ("replied", "resolve"): "resolved",
    ("replied", "request_information"): "waiting",
    ("replied", "extend"): "replied",
    ("replied", "withdraw_action"): "acknowledged",
    ("waiting", "reply"): "replied",
    ("waiting", "resolve"): "resolved",
    ("waiting", "decline"): "declined",
    ("waiting", "receive_information"): "acknowledged",
    ("waiting", "extend"): "waiting",
    ("waiting", "withdraw_action"): "acknowledged",
    ("resolved", "withdraw_action"): "acknowledged",
    ("declined", "withdraw_action"): "acknowledged",
}
"""Everything that is allowed. All the rest is refused."""


def case(state: str = "assigned", agency: str = "roads") -> Case:
    return Case(COMPLAINT, agency, 1, state, "Pothole", None, "open", "A hole.", "R-1", FILED, FILED)


def deeds(state: str) -> list[Deed]:
    return [Deed(f"order-{number}", Verb(verb), 1) for number, verb in enumerate(WAYS[state])]


def order(verb: str = "resolve", agency: str = "roads", occurred_at: datetime = RECEIVED) -> Order:
    return Order("order-9", COMPLAINT, Verb(verb), agency, occurred_at, RECEIVED, frozenset({"order-1", "order-0"}))


@pytest.mark.parametrize(("state", "verb"), list(product(WAYS, Verb)))
def test_every_order_in_every_state(state: str, verb: Verb) -> None:
    outcome = carry_out(case(state), order(verb), deeds(state))
    if after := AFTER.get((state, verb.value)):
        assert outcome == case(after)  # and nothing else has changed
    elif verb is Verb.WITHDRAW_ACTION:
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "unknown_order"  # what could be withdrawn when nothing was done?
    else:
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "not_possible_now"
        assert state in outcome.detail
        for allowed in TRANSITIONS[verb][0]:
            assert allowed in outcome.detail  # it says when it would be possible


def test_the_table_lists_every_state_that_it_leads_to() -> None:
    listed = frozenset().union(*(allowed for allowed, _ in TRANSITIONS.values()))
    assert set(TRANSITIONS) == set(Verb)
    assert listed == set(WAYS)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (order(agency="water"), "not_the_holder"),
        (order(occurred_at=FILED - timedelta(microseconds=1)), "occurred_before_filing"),
        (order(occurred_at=RECEIVED + CLOCK_LEEWAY + timedelta(microseconds=1)), "occurred_in_future"),
        # Who does not hold the case learns neither when it was filed nor how it stands.
        (order(agency="water", occurred_at=FILED - timedelta(days=1)), "not_the_holder"),
        (order("acknowledge", "water"), "not_the_holder"),
    ],
)
def test_an_order_that_cannot_be_true_is_refused_in_every_state(given: Order, reason: str) -> None:
    for state in WAYS:
        refused = carry_out(case(state), given, deeds(state))
        assert isinstance(refused, Refusal)
        assert refused.reason == reason
        assert "`occurred_at`" in refused.detail or reason == "not_the_holder"


@pytest.mark.parametrize("occurred_at", [FILED, FILED + timedelta(hours=1), RECEIVED, RECEIVED + CLOCK_LEEWAY])
def test_an_order_may_have_happened_between_filing_and_receipt(occurred_at: datetime) -> None:
    """The last one: an agency's clock may be a little ahead of the broker's, which stamps whole milliseconds."""
    assert carry_out(case(), order(occurred_at=occurred_at), []) == case("resolved")


def test_instants_are_compared_and_not_their_spelling() -> None:
    """08:59 in South Kalimantan is a minute before 01:00 in Greenwich."""
    refused = carry_out(case(), order(occurred_at=datetime.fromisoformat("2026-03-16T08:59:00+08:00")), [])
    assert isinstance(refused, Refusal)
    assert refused.reason == "occurred_before_filing"
