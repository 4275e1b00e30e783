"""How a complaint stands depends on the facts, never on the order in which they came to be known."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_intake.domain.standing import Fact, Standing, Status, What, in_order, standing, taken_back

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def fact(
    what: What,
    hour: int,
    agency: str | None = None,
    assignment: int | None = None,
    words: str | None = None,
    *,
    action: int | None = None,
    withdraws: int | None = None,
) -> Fact:
    at = START + timedelta(hours=hour)
    return Fact(what, at, at, agency, assignment, words, _action(action), _action(withdraws))


def _action(number: int | None) -> UUID | None:
    return UUID(int=number) if number is not None else None


ROUTED_A = fact(What.ROUTED, 1, "a", 1)
ROUTED_B = fact(What.ROUTED, 5, "b", 2)
BACK_TO_A = fact(What.ROUTED, 9, "a", 3)
ASKED = fact(What.INFORMATION_REQUESTED, 3, "a", words="Which lamp?")
ANSWERED = fact(What.INFORMATION_RECEIVED, 4, "a")
TAKEN_BACK = fact(What.ACTION_WITHDRAWN, 5, "a", action=3, withdraws=2)

CASES = {
    "nothing known": ([], Standing(Status.SUBMITTED, None)),
    "in triage": ([fact(What.IN_TRIAGE, 0)], Standing(Status.IN_TRIAGE, None)),
    "routed": ([ROUTED_A], Standing(Status.ROUTED, "a")),
    "triage, then routed": ([fact(What.IN_TRIAGE, 0), ROUTED_A], Standing(Status.ROUTED, "a")),
    "acknowledged": ([ROUTED_A, fact(What.ACKNOWLEDGED, 2, "a")], Standing(Status.ACKNOWLEDGED, "a")),
    "replied, then resolved": (
        [ROUTED_A, fact(What.ACKNOWLEDGED, 2, "a"), fact(What.REPLIED, 3, "a"), fact(What.RESOLVED, 4, "a")],
        Standing(Status.RESOLVED, "a"),
    ),
    "both at one instant": (
        [ROUTED_A, fact(What.REPLIED, 3, "a"), fact(What.RESOLVED, 3, "a")],
        Standing(Status.RESOLVED, "a"),
    ),
    "a reply dated before its routing": ([ROUTED_A, fact(What.REPLIED, 0, "a")], Standing(Status.REPLIED, "a")),
    "a reply whose routing is not known yet": ([fact(What.REPLIED, 3, "a")], Standing(Status.REPLIED, "a")),
    "declined": ([ROUTED_A, fact(What.DECLINED, 2, "a")], Standing(Status.DECLINED, "a")),
    "declined, back in triage": (
        [ROUTED_A, fact(What.DECLINED, 2, "a"), fact(What.IN_TRIAGE, 3)],
        Standing(Status.IN_TRIAGE, "a"),
    ),
    "declined, then routed elsewhere": (
        [ROUTED_A, fact(What.DECLINED, 2, "a"), ROUTED_B],
        Standing(Status.ROUTED, "b"),
    ),
    "the old holder speaks late": ([ROUTED_A, ROUTED_B, fact(What.REPLIED, 6, "a")], Standing(Status.ROUTED, "b")),
    "back with the first": (
        [ROUTED_A, fact(What.DECLINED, 2, "a"), ROUTED_B, fact(What.DECLINED, 6, "b"), BACK_TO_A],
        Standing(Status.ROUTED, "a"),
    ),
    "asked": ([ROUTED_A, ASKED], Standing(Status.WAITING_FOR_YOU, "a", "Which lamp?")),
    "asked before the routing is known": ([ASKED], Standing(Status.WAITING_FOR_YOU, "a", "Which lamp?")),
    "a question stands through what is no answer to it": (
        [ROUTED_A, ASKED, fact(What.ACKNOWLEDGED, 4, "a"), fact(What.EXTENDED, 4, "a")],
        Standing(Status.WAITING_FOR_YOU, "a", "Which lamp?"),
    ),
    "asked and answered": (
        [ROUTED_A, fact(What.ACKNOWLEDGED, 2, "a"), ASKED, ANSWERED],
        Standing(Status.ACKNOWLEDGED, "a"),
    ),
    "asked twice, answered once": (
        [ROUTED_A, fact(What.INFORMATION_REQUESTED, 2, "a", words="Where?"), ASKED, ANSWERED],
        Standing(Status.ROUTED, "a"),
    ),
    "asked anew": (
        [ROUTED_A, fact(What.INFORMATION_REQUESTED, 1, "a"), fact(What.INFORMATION_RECEIVED, 2, "a"), ASKED],
        Standing(Status.WAITING_FOR_YOU, "a", "Which lamp?"),
    ),
    "asked, then replied all the same": (
        [ROUTED_A, ASKED, fact(What.REPLIED, 4, "a")],
        Standing(Status.REPLIED, "a"),
    ),
    "asked by one who no longer holds it": ([ROUTED_A, ASKED, ROUTED_B], Standing(Status.ROUTED, "b")),
    "an extension changes nothing": (
        [ROUTED_A, fact(What.ACKNOWLEDGED, 2, "a"), fact(What.EXTENDED, 3, "a")],
        Standing(Status.ACKNOWLEDGED, "a"),
    ),
    "an extension is all that is known": ([fact(What.EXTENDED, 3, "a")], Standing(Status.SUBMITTED, "a")),
    "an answer taken back": (
        [ROUTED_A, fact(What.ACKNOWLEDGED, 2, "a", action=1), fact(What.REPLIED, 3, "a", action=2), TAKEN_BACK],
        Standing(Status.ACKNOWLEDGED, "a"),
    ),
    "a question taken back": (
        [ROUTED_A, fact(What.INFORMATION_REQUESTED, 3, "a", action=2), TAKEN_BACK],
        Standing(Status.ROUTED, "a"),
    ),
    "the receipt of an answer taken back": (
        [ROUTED_A, ASKED, fact(What.INFORMATION_RECEIVED, 4, "a", action=2), TAKEN_BACK],
        Standing(Status.WAITING_FOR_YOU, "a", "Which lamp?"),
    ),
    "a withdrawal of what is not known yet": ([ROUTED_A, TAKEN_BACK], Standing(Status.ROUTED, "a")),
    "replied anew after an answer was taken back": (
        [ROUTED_A, fact(What.REPLIED, 3, "a", action=2), TAKEN_BACK, fact(What.REPLIED, 6, "a", action=4)],
        Standing(Status.REPLIED, "a"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_arrival_order_gives_the_same_standing(case: str) -> None:
    facts, expected = CASES[case]
    assert {standing(order) for order in permutations(facts)} == {expected}


FACTS = st.builds(
    fact,
    st.sampled_from(What),
    st.integers(0, 6),
    st.sampled_from(["a", "b"]),
    st.integers(1, 3),
    st.sampled_from([None, "one", "another"]),
    action=st.none() | st.integers(1, 4),
    withdraws=st.none() | st.integers(1, 4),
)


@given(st.lists(FACTS, max_size=8), st.randoms(use_true_random=False))
def test_neither_standing_nor_timeline_depends_on_arrival(facts: list[Fact], chance: object) -> None:
    shuffled = list(facts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert standing(shuffled) == standing(facts)
    assert standing(shuffled + facts[:2]) == standing(facts)
    assert in_order(shuffled) == in_order(facts)


@given(st.lists(FACTS, max_size=8))
def test_what_was_taken_back_bears_on_nothing(facts: list[Fact]) -> None:
    void = taken_back(facts)
    assert standing(facts) == standing([f for f in facts if f.withdraws or f.action not in void])
