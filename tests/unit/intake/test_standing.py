"""How a complaint stands depends on the facts, never on the order in which they came to be known."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_intake.domain.standing import Fact, Standing, Status, in_order, standing

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def fact(what: Status, hour: int, agency: str | None = None, assignment: int | None = None) -> Fact:
    at = START + timedelta(hours=hour)
    return Fact(what, at, at, agency, assignment)


ROUTED_A = fact(Status.ROUTED, 1, "a", 1)
ROUTED_B = fact(Status.ROUTED, 5, "b", 2)
BACK_TO_A = fact(Status.ROUTED, 9, "a", 3)

CASES = {
    "nothing known": ([], Standing(Status.SUBMITTED, None)),
    "in triage": ([fact(Status.IN_TRIAGE, 0)], Standing(Status.IN_TRIAGE, None)),
    "routed": ([ROUTED_A], Standing(Status.ROUTED, "a")),
    "triage, then routed": ([fact(Status.IN_TRIAGE, 0), ROUTED_A], Standing(Status.ROUTED, "a")),
    "acknowledged": ([ROUTED_A, fact(Status.ACKNOWLEDGED, 2, "a")], Standing(Status.ACKNOWLEDGED, "a")),
    "replied, then resolved": (
        [ROUTED_A, fact(Status.ACKNOWLEDGED, 2, "a"), fact(Status.REPLIED, 3, "a"), fact(Status.RESOLVED, 4, "a")],
        Standing(Status.RESOLVED, "a"),
    ),
    "both at one instant": (
        [ROUTED_A, fact(Status.REPLIED, 3, "a"), fact(Status.RESOLVED, 3, "a")],
        Standing(Status.RESOLVED, "a"),
    ),
    "a reply dated before its routing": ([ROUTED_A, fact(Status.REPLIED, 0, "a")], Standing(Status.REPLIED, "a")),
    "a reply whose routing is not known yet": ([fact(Status.REPLIED, 3, "a")], Standing(Status.REPLIED, "a")),
    "declined": ([ROUTED_A, fact(Status.DECLINED, 2, "a")], Standing(Status.DECLINED, "a")),
    "declined, back in triage": (
        [ROUTED_A, fact(Status.DECLINED, 2, "a"), fact(Status.IN_TRIAGE, 3)],
        Standing(Status.IN_TRIAGE, "a"),
    ),
    "declined, then routed elsewhere": (
        [ROUTED_A, fact(Status.DECLINED, 2, "a"), ROUTED_B],
        Standing(Status.ROUTED, "b"),
    ),
    "the old holder speaks late": ([ROUTED_A, ROUTED_B, fact(Status.REPLIED, 6, "a")], Standing(Status.ROUTED, "b")),
    "back with the first": (
        [ROUTED_A, fact(Status.DECLINED, 2, "a"), ROUTED_B, fact(Status.DECLINED, 6, "b"), BACK_TO_A],
        Standing(Status.ROUTED, "a"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_arrival_order_gives_the_same_standing(case: str) -> None:
    facts, expected = CASES[case]
    assert {standing(order) for order in permutations(facts)} == {expected}


FACTS = st.builds(
    fact,
    st.sampled_from([status for status in Status if status is not Status.SUBMITTED]),
    st.integers(0, 6),
    st.sampled_from(["a", "b"]),
    st.integers(1, 3),
)


@given(st.lists(FACTS, max_size=8), st.randoms(use_true_random=False))
def test_neither_standing_nor_timeline_depends_on_arrival(facts: list[Fact], chance: object) -> None:
    shuffled = list(facts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert standing(shuffled) == standing(facts)
    assert standing(shuffled + facts[:2]) == standing(facts)
    assert in_order(shuffled) == in_order(facts)
