"""Waiting, extending and taking back: what was done in an assignment decides, and only its last deed can be undone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_casework.domain import LOOKING_BACK, Case, Deed, Order, Refusal, Verb, action_id, carry_out, standing

COMPLAINT = UUID(int=7)
AT = datetime(2026, 3, 16, 1, 0, tzinfo=UTC)


class Desk:
    """One case; orders are given as `verb` or `verb:id`, a withdrawal as `withdraw_action:id of the other`."""

    def __init__(self) -> None:
        self.case = Case(COMPLAINT, "roads", 1, "assigned", "Pothole", None, "open", None, None, AT, AT)
        self.deeds: list[Deed] = []

    def order(self, given: str) -> str:
        """Answers the state after it, or the reason why not."""
        verb, _, named = given.partition(":")
        withdrawal = Verb(verb) is Verb.WITHDRAW_ACTION
        order_id = f"order-{len(self.deeds)}" if withdrawal or not named else named
        names = frozenset({named}) if withdrawal else frozenset()
        order = Order(order_id, COMPLAINT, Verb(verb), "roads", AT, AT, names)
        outcome = carry_out(self.case, order, self.deeds)
        if order.verb not in LOOKING_BACK:  # for these, nobody looks up what was done
            assert carry_out(self.case, order, ()) == outcome
        if isinstance(outcome, Refusal):
            return outcome.reason
        self.case = outcome
        self.deeds.append(Deed(order_id, Verb(verb), self.case.assignment))
        return outcome.state

    def transferred(self) -> None:
        """Away, and back to the same agency, as a person in triage may decide."""
        self.case = Case(COMPLAINT, "roads", 3, "assigned", "Pothole", None, "open", None, None, AT, AT)


JOURNEYS = {
    "the answer of the citizen brings back the state before": "request_information waiting, receive_information assigned,"
    " acknowledge acknowledged, request_information waiting, receive_information acknowledged, reply replied,"
    " request_information waiting, receive_information replied",
    "one question at a time": "request_information waiting, request_information not_possible_now,"
    " receive_information assigned, receive_information not_possible_now, request_information waiting",
    "an answer ends the waiting": "request_information waiting, reply replied, receive_information not_possible_now",
    "an extension while waiting is no answer": "acknowledge acknowledged, request_information waiting, extend waiting,"
    " receive_information acknowledged",
    "one extension": "extend assigned, extend extended_before, reply replied, extend extended_before",
    "another extension once the first is taken back": "extend:a assigned, withdraw_action:a assigned, extend:b assigned,"
    " extend:c extended_before, withdraw_action:a withdrawn_before, withdraw_action:b assigned",
    "an acknowledgement after which a reply came": "acknowledge:a acknowledged, reply:b replied,"
    " withdraw_action:a not_the_last_action, withdraw_action:b acknowledged, withdraw_action:a assigned",
    "an acknowledgement after which the term was extended": "acknowledge:a acknowledged, extend:b acknowledged,"
    " withdraw_action:a not_the_last_action, withdraw_action:b acknowledged, withdraw_action:a assigned",
    "the same twice": "acknowledge:a acknowledged, withdraw_action:a assigned, withdraw_action:a withdrawn_before",
    "the second of two replies": "reply:a replied, reply:b replied, withdraw_action:b replied, withdraw_action:a assigned",
    "an order refused at the time": "extend:a assigned, extend:b extended_before, withdraw_action:b unknown_order",
    "an order never given": "acknowledge:a acknowledged, withdraw_action:b unknown_order",
    "a withdrawal": "reply:a replied, withdraw_action:a assigned, withdraw_action:order-1 unknown_order",
    "an end": "resolve:a resolved, reply not_possible_now, withdraw_action:a assigned, reply replied",
    "a refusal that nobody has acted upon": "acknowledge acknowledged, decline:a declined, withdraw_action:a acknowledged",
    "a question": "acknowledge acknowledged, request_information:a waiting, withdraw_action:a acknowledged",
    "a citizen's answer": "acknowledge acknowledged, request_information waiting, receive_information:a acknowledged,"
    " withdraw_action:a waiting, receive_information acknowledged",
    "a reply that had ended the waiting": "acknowledge acknowledged, request_information waiting, reply:a replied,"
    " withdraw_action:a waiting, receive_information acknowledged",
    "ids that are used again": "acknowledge:1 acknowledged, reply:1 replied, withdraw_action:1 acknowledged,"
    " withdraw_action:1 assigned, withdraw_action:1 withdrawn_before, reply:1 replied, withdraw_action:1 assigned",
}


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
def test_journeys(journey: str) -> None:
    desk = Desk()
    for step in journey.split(", "):
        given, expected = step.split()
        assert desk.order(given) == expected, step


def test_a_new_assignment_begins_anew() -> None:
    """What was done before it cannot be taken back in it, and its term may be extended once more."""
    desk = Desk()
    for given_order in ("acknowledge:a", "extend:b", "request_information:c"):
        desk.order(given_order)
    desk.transferred()
    assert desk.order("withdraw_action:c") == "not_the_last_action"
    assert desk.order("withdraw_action:b") == "not_the_last_action"
    assert desk.order("extend:d") == "assigned"
    assert desk.order("request_information") == "waiting"
    assert desk.order("receive_information") == "assigned"  # and not acknowledged, which it was for the first time only


@given(st.lists(st.sampled_from([*Verb, Verb.WITHDRAW_ACTION, Verb.REQUEST_INFORMATION]), max_size=40))
def test_taking_back_leads_through_every_state_in_reverse(verbs: list[Verb]) -> None:
    """Against another account of the same: a pile of states, onto which a deed lays one, and from which a withdrawal takes
    the uppermost."""
    desk, pile = Desk(), ["assigned"]
    for verb in verbs:
        stand = standing(desk.case, desk.deeds)
        named = stand[-1].order_id if stand else "nothing"
        answer = desk.order(f"{verb}:{named}" if verb is Verb.WITHDRAW_ACTION else verb)
        if verb is Verb.WITHDRAW_ACTION and stand:
            pile.pop()
            assert answer == pile[-1]
        elif verb is Verb.WITHDRAW_ACTION:
            assert answer == "unknown_order"
        elif answer not in {"not_possible_now", "extended_before"}:
            pile.append(answer)
        assert desk.case.state == pile[-1]


def test_a_deed_has_one_id_and_every_other_deed_another() -> None:
    """The same in every release: what is taken back may have been said by an older one."""
    same = (COMPLAINT, "roads", Verb.REPLY, "1")
    assert action_id(*same) == action_id(*same) == UUID("f741dbb7-fa11-5bc6-9e49-c8a0b2bd212f")
    others = [
        (UUID(int=8), "roads", Verb.REPLY, "1"),
        (COMPLAINT, "water", Verb.REPLY, "1"),
        (COMPLAINT, "roads", Verb.RESOLVE, "1"),
        (COMPLAINT, "roads", Verb.REPLY, "2"),
    ]
    assert len({action_id(*same), *(action_id(*other) for other in others)}) == 1 + len(others)
