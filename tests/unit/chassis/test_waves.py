"""The order of a batch: waves, duplicates, gaps."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_chassis.waves import plan

A, B = UUID(int=1), UUID(int=2)


@dataclass(frozen=True)
class About:
    subject: UUID


@dataclass(frozen=True)
class Item:
    """As much of a delivery as its order depends on."""

    subject: UUID
    seq: int
    source: str = "s"

    @property
    def event(self) -> About:
        return About(self.subject)


a = [Item(A, n) for n in range(10)]
b = [Item(B, n) for n in range(10)]
other = [Item(A, n, "other") for n in range(10)]

CASES: dict[str, tuple[list[Item], dict[Any, int], list[list[Item]], list[Item], list[Item], dict[Any, int]]] = {
    "nothing": ([], {}, [], [], [], {}),
    "in order": ([a[1], a[2]], {}, [[a[1]], [a[2]]], [], [], {("s", A): 2}),
    "two subjects share a wave": ([a[1], b[1], a[2]], {}, [[a[1], b[1]], [a[2]]], [], [], {("s", A): 2, ("s", B): 1}),
    "known before": ([a[3]], {("s", A): 2}, [[a[3]]], [], [], {("s", A): 3}),
    "duplicate of before": ([a[2], a[3]], {("s", A): 2}, [[a[3]]], [], [a[2]], {("s", A): 3}),
    "duplicate within the batch": ([a[1], a[1]], {}, [[a[1]]], [], [a[1]], {("s", A): 1}),
    "only duplicates move nothing": ([a[1]], {("s", A): 5}, [], [], [a[1]], {}),
    "gap": ([a[2]], {}, [], [a[2]], [], {}),
    "gap filled too late in the batch": ([a[2], a[1]], {}, [[a[1]]], [a[2]], [], {("s", A): 1}),
    "gap of one subject holds no other": ([a[2], b[1]], {}, [[b[1]]], [a[2]], [], {("s", B): 1}),
    "sources count apart, the subject's turns do not": (
        [a[1], other[1]],
        {},
        [[a[1]], [other[1]]],
        [],
        [],
        {("s", A): 1, ("other", A): 1},
    ),
    "an order has no stream": ([a[0], a[0], a[1]], {}, [[a[0]], [a[0]], [a[1]]], [], [], {("s", A): 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_plan(case: str) -> None:
    items, positions, waves, ahead, behind, after = CASES[case]
    planned = plan(items, positions)
    assert (planned.waves, planned.ahead, planned.behind, planned.after) == (waves, ahead, behind, after)


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 6), st.sampled_from(["s", "t"])), max_size=30))
def test_every_delivery_has_one_fate_and_streams_move_one_by_one(raw: list[tuple[UUID, int, str]]) -> None:
    items = [Item(*one) for one in raw]
    planned = plan(items, {("s", A): 2})
    due = [item for wave in planned.waves for item in wave]
    assert sorted(map(repr, [*due, *planned.ahead, *planned.behind])) == sorted(map(repr, items))
    for wave in planned.waves:
        assert len({item.event.subject for item in wave}) == len(wave)
    for (source, subject), last in planned.after.items():
        seqs = [i.seq for i in due if i.seq and (i.source, i.event.subject) == (source, subject)]
        assert seqs == list(range(3 if (source, subject) == ("s", A) else 1, last + 1))
