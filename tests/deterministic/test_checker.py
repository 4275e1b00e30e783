"""The checker checked: each bug of `bugs.py`, planted for the length of a test, is found within ten seeds.

On every commit one bug for each promise; at night (`-m slow`) all of them, with the table that `docs/checker.md` publishes.
"""

import sys
from time import monotonic

import pytest
from tests.deterministic.bugs import BUGS, Bug
from tests.deterministic.checker import Anomaly
from tests.deterministic.conftest import Stage
from tests.deterministic.walk import walk

from amanah import project

SEEDS = 10
QUICK = ("no_sweep", "key_ignored", "seq_in_memory", "late_fact_unheard", "random_notice_id", "narrative_unmasked")
"""Of G1, G2, G3, G4, G6, G8 one each."""


def hunt(stage: Stage, bug: Bug) -> tuple[int, list[Anomaly]]:
    """The first seed whose story shows it, and what the checker says of it; -1 when none does."""
    for seed in range(SEEDS):
        with pytest.MonkeyPatch.context() as patch:
            bug.plant(patch)
            if found := stage.do(walk(stage.world, seed)):
                return seed, found
    return -1, []


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.name in QUICK], ids=lambda bug: bug.name)
def test_a_bug_is_found(stage: Stage, bug: Bug) -> None:
    seed, _ = hunt(stage, bug)
    assert seed >= 0, f"not found within {SEEDS} seeds: {bug.what}"


def test_nothing_is_found_where_nothing_is_wrong(stage: Stage) -> None:
    assert stage.do(walk(stage.world, 0)) == []


def test_the_page_names_each_bug() -> None:
    page = (project.ROOT / "docs" / "checker.md").read_text()
    assert [bug.name for bug in BUGS if f"`{bug.name}`" not in page] == []


@pytest.mark.slow
def test_every_bug_is_found_within_ten_seeds(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    lines, missed = [], []
    for bug in BUGS:
        began = monotonic()
        seed, found = hunt(stage, bug)
        if seed < 0:
            missed.append(bug.name)
        names = sorted({f"{anomaly.promise} {anomaly.name}" for anomaly in found})
        lines.append(f"| `{bug.name}` | {bug.what} | {', '.join(names[:3])} | {seed + 1 or 'none'} |")
        with capsys.disabled():
            sys.stdout.write(f"\n{lines[-1]} {monotonic() - began:.1f} s")
            sys.stdout.flush()
    assert missed == []


@pytest.mark.slow
def test_ten_seeds_without_a_bug_find_nothing(stage: Stage) -> None:
    for seed in range(SEEDS):
        assert stage.do(walk(stage.world, seed)) == [], f"seed {seed}"
