"""The verdict of a soak: what is flat, what grows, and what may not deceive it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah.soak.series import Point, Series, between, slope
from amanah.soak.verdict import BESIDE, LIMITS, MEMORY, PASSING, SAWS, UNSENT, ratio, rule, rulings

HALF, END = 1800.0, 3600.0


def series(kind: str, *values: float, name: str = "it") -> Series:
    """One value each ten seconds over the last half of an hour."""
    return Series(name, kind, "", [(HALF + 10 * n, value) for n, value in enumerate(values)])


def noise(seed: int, size: float) -> list[float]:
    chance = Random(seed)
    return [chance.uniform(-size, size) for _ in range(181)]


def grows(of: Series) -> bool:
    ruling = rule(of, HALF, END)
    assert ruling is not None
    return ruling.grows


def test_a_process_that_gains_a_megabyte_a_minute_grows() -> None:
    assert grows(series(MEMORY, *(100 + n / 6 + jitter for n, jitter in enumerate(noise(1, 3)))))


@pytest.mark.parametrize("seed", range(5))
def test_noise_about_a_level_is_flat(seed: int) -> None:
    assert not grows(series(MEMORY, *(100 + jitter for jitter in noise(seed, 10))))


def test_one_wild_quarter_of_the_samples_does_not_decide() -> None:
    """A service that was frozen, a vacuum, a burst: for as long as it is less than 29 % of the time."""
    values = [50.0] * 181
    values[100:140] = [900.0] * 40
    assert not grows(series(UNSENT, *values))


def test_a_saw_that_returns_to_its_level_is_flat_and_one_that_climbs_is_not() -> None:
    saw = [1000 * (n % 12) for n in range(181)]
    assert not grows(series(PASSING, *(20_000 + tooth for tooth in saw)))
    assert grows(series(PASSING, *(20_000 + tooth + 100 * n for n, tooth in enumerate(saw))))


@pytest.mark.parametrize("kind", sorted(SAWS))
def test_a_saw_of_few_teeth_grows_only_to_heights_that_it_never_had(kind: str) -> None:
    def long_saw(teeth: float, climb: float) -> Series:
        points = [(10.0 * n, 5000 * (1 + (n * teeth / 360) % 1) + climb * n) for n in range(361)]
        return Series("it", kind, "", points)

    assert not grows(long_saw(1.9, 0))
    assert grows(series(kind, *(value for _, value in long_saw(1.9, 0).points[180:]))), "by its slope alone it would"
    assert grows(long_saw(1.9, 20))
    assert grows(Series("it", MEMORY, "", long_saw(1.9, 0).points)), "memory is no saw"


def test_what_shrinks_does_not_grow() -> None:
    assert not grows(series(MEMORY, *(200 - n / 6 for n in range(181))))


def test_only_the_last_half_counts() -> None:
    warming_up = [(10.0 * n, float(n)) for n in range(180)]
    flat = [(HALF + 10 * n, 180.0) for n in range(181)]
    ruling = rule(Series("it", MEMORY, "MB", warming_up + flat), HALF, END)
    assert ruling is not None
    assert (ruling.grows, ruling.gained, ruling.median) == (False, 0.0, 180.0)


def test_too_little_to_judge_is_no_verdict() -> None:
    assert rule(series(MEMORY, 1, 2, 3, 4, 5), HALF, END) is None
    assert rulings([series(MEMORY, 1, 2)], HALF, END) == []


def test_a_small_thing_may_gain_its_step_and_a_large_one_its_share() -> None:
    step, share = LIMITS[MEMORY].step, LIMITS[MEMORY].share

    def gain(level: float, gained: float) -> bool:
        return grows(series(MEMORY, *(level + gained * n / 180 for n in range(181))))

    assert not gain(10, step * 0.9)
    assert gain(10, step * 1.1)
    assert not gain(1000, 1000 * share * 0.9)
    assert gain(1000, 1000 * share * 1.2)


def test_what_grows_is_named_first() -> None:
    found = rulings([series(MEMORY, *[5.0] * 20, name="a"), series(MEMORY, *range(0, 200, 10), name="z")], HALF, END)
    assert [ruling.name for ruling in found] == ["z", "a"]


def test_a_table_that_keeps_a_complaints_rows_is_judged_by_what_it_has_for_each() -> None:
    filed = series("still", *range(1000, 2810, 10))
    kept = series(BESIDE, *(3.0 * n for n in range(1000, 2810, 10)))
    more_and_more = series(BESIDE, *(n * n / 1000 for n in range(1000, 2810, 10)))
    assert not grows(ratio("it", "rows", kept, filed))
    assert grows(ratio("it", "rows", more_and_more, filed))


def test_before_the_first_complaint_there_is_no_ratio() -> None:
    filed, rows = (
        Series("f", "still", "", [(0.0, 0.0), (10.0, 5.0)]),
        Series("r", BESIDE, "", [(0.0, 0.0), (10.0, 10.0)]),
    )
    assert ratio("it", "rows", rows, filed).points == [(10.0, 2.0)]


STEEP = st.floats(-1e3, 1e3)


@given(STEEP, STEEP, st.lists(st.integers(0, 10_000), min_size=2, max_size=30, unique=True))
def test_the_slope_of_a_line_is_its_slope(steepness: float, start: float, at: list[int]) -> None:
    points: list[Point] = [(float(t), start + steepness * t) for t in at]
    assert slope(points) == pytest.approx(steepness, abs=1e-6)


def test_no_two_instants_have_no_slope() -> None:
    assert slope([]) == slope([(1.0, 5.0)]) == slope([(1.0, 5.0), (1.0, 9.0)]) == 0.0


def test_between_takes_both_ends() -> None:
    points: list[Point] = [(float(n), 0.0) for n in range(5)]
    assert [at for at, _ in between(points, 1, 3)] == [1, 2, 3]
