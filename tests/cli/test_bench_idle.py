"""`amanah bench idle`: what is planned and reckoned, without servers."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from amanah.bench.lateness import (
    GAP_MS,
    NOTICE_MS,
    Held,
    Round,
    Single,
    due_at,
    idle_line,
    lateness,
    percentile,
    singles,
)
from amanah.bench.lines import line
from amanah.bench.open_clocks import disk_needed

BEGIN = datetime(2026, 3, 2, 9, 0, 0, 250, tzinfo=UTC)
HELD = Held(80.0, 60.0, 150.0, 45.0, 0.008, 0.05)


def planned(count: int = 300) -> list[Single]:
    return singles(count, Random(1))


def stamp(single: Single, late_ms: float) -> int:
    """As the broker writes it: whole milliseconds, cut off."""
    return int(due_at(single, BEGIN).timestamp() * 1000 + late_ms)


def test_every_deadline_is_alone() -> None:
    instants = [single.due_ms for single in planned()]
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    assert GAP_MS[0] <= min(gaps) < GAP_MS[0] + 2
    assert GAP_MS[1] - 2 < max(gaps) <= GAP_MS[1]


def test_about_half_come_late_but_in_time() -> None:
    notices = [single.due_ms - single.stored_ms for single in planned() if single.stored_ms is not None]
    assert 120 <= len(notices) <= 180
    assert NOTICE_MS[0] <= min(notices)
    assert max(notices) <= NOTICE_MS[1]
    assert min(single.stored_ms for single in planned() if single.stored_ms is not None) >= 0


def test_some_that_come_late_are_then_the_earliest_of_all() -> None:
    """Only these need the nudge."""
    deadlines = planned()

    def sooner(one: Single, stored: float) -> bool:
        return any(
            stored < other.due_ms < one.due_ms and (other.stored_ms is None or other.stored_ms < stored)
            for other in deadlines
        )

    needed = [one for one in deadlines if one.stored_ms is not None and not sooner(one, one.stored_ms)]
    assert len(needed) >= 10


def test_another_chance_gives_other_instants() -> None:
    assert [s.due_ms for s in planned()] == [s.due_ms for s in planned()]
    assert [s.due_ms for s in planned()] != [s.due_ms for s in singles(300, Random(2))]


def test_lateness_is_counted_from_the_due_instant_to_the_middle_of_the_stamped_millisecond() -> None:
    deadlines = planned(50)
    late = lateness(deadlines, BEGIN, {single.complaint_id: stamp(single, 7.0) for single in deadlines})
    assert all(6.5 <= one <= 7.5 for one in late)
    assert due_at(deadlines[0], BEGIN) - BEGIN == timedelta(milliseconds=deadlines[0].due_ms)


def test_a_breach_that_was_never_said_is_no_figure() -> None:
    deadlines = planned(10)
    stamps = {single.complaint_id: stamp(single, 7.0) for single in deadlines[:-2]}
    with pytest.raises(AssertionError, match="2 of 10"):
        lateness(deadlines, BEGIN, stamps)


def test_a_breach_that_was_said_too_early_is_no_figure() -> None:
    deadlines = planned(10)
    stamps = {single.complaint_id: stamp(single, 7.0) for single in deadlines} | {
        deadlines[3].complaint_id: stamp(deadlines[3], -3.0)
    }
    with pytest.raises(AssertionError, match="before its deadline"):
        lateness(deadlines, BEGIN, stamps)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        (range(1, 301), 0.99, 297),
        (range(1, 301), 0.5, 150),
        (range(1, 101), 0.99, 99),
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
        ([3.0, 1.0, 2.0], 0.01, 1.0),
    ],
)
def test_a_percentile_is_one_of_the_values(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def rounds() -> list[Round]:
    bare = [2.0] * 98 + [4.0, 9.0]
    return [Round([8.0] * 98 + [tail, tail + 20], bare, HELD) for tail in (10.0, 12.0, 30.0)]


def test_the_line_has_the_medians_of_the_rounds() -> None:
    said = json.loads(idle_line(10_000, rounds(), rounds(), (0.3, 0.4)).as_json())
    assert (said["bench"], said["unit"], said["open"], said["deadlines"]) == ("idle", "ms", 10_000, 300)
    assert (said["figure"], said["p99_ms"], said["p50_ms"], said["worst_ms"]) == (12.0, 12.0, 8.0, 50.0)
    assert (said["bare"], said["bare_p50_ms"], said["bare_worst_ms"], said["ratio"]) == (4.0, 2.0, 9.0, 3.0)
    assert (said["rss_mb"], said["pss_mb"], said["cpu_idle"], said["cpu_busy"]) == (80.0, 60.0, 0.008, 0.05)
    assert (said["postgres_rss_mb"], said["postgres_pss_mb"]) == (150.0, 45.0)
    assert (said["load"], said["load_after"]) == (0.3, 0.4)


def test_flat_is_measured_against_the_smallest_size_in_the_same_round() -> None:
    smallest = [Round([tail] * 100, [2.0] * 100, HELD) for tail in (5.0, 10.0, 10.0)]
    said = idle_line(1_000_000, rounds(), smallest, (0.0, 0.0)).more
    assert (said["flat"], said["bare_flat"]) == (2.0, 2.0)
    assert idle_line(10_000, smallest, smallest, (0.0, 0.0)).more["flat"] == 1.0


def test_a_server_that_is_not_ours_has_no_memory_to_show() -> None:
    one = rounds()[0]
    foreign = Round(one.ours, one.bare, Held(80.0, 60.0, None, None, 0.008, 0.05))
    said = idle_line(10_000, [foreign], [foreign], (0.0, 0.0)).more
    assert (said["postgres_rss_mb"], said["postgres_pss_mb"], said["rss_mb"]) == (None, None, 80.0)


def test_a_person_reads_which_size_it_was() -> None:
    words = idle_line(1_000_000, rounds(), rounds(), (0.0, 0.0)).words()
    assert words == "idle, p99 of lateness, 1,000,000 clocks open: 12.0 ms; bare loop 4.0; ratio 3.0"


def test_other_benches_say_what_they_said() -> None:
    burst = line("burst", "breaches/s", [12_000.4, 14_000.0], [20_000.0, 28_000.0], load=0.5)
    assert burst.words() == "burst: 13,000 breaches/s; bare loop 24,000; ratio 0.55"
    assert list(json.loads(burst.as_json())) == "bench figure unit bare ratio rounds worst best load".split()


def test_more_clocks_need_more_disk() -> None:
    assert disk_needed(10_000_000) - disk_needed(1_000_000) > 9_000_000 * 200
