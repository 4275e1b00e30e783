"""One seed decides what a run's citizens do, and its shares are as promised."""

from itertools import islice

from amanah.faultlab.model import CANARY
from amanah.faultlab.plan import AFAR, plan


def test_the_same_seed_gives_the_same_plan_and_another_another() -> None:
    first, again, other = (list(islice(plan("F2", seed, 25), 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_shares_of_retries_and_of_deadlines_that_fall_into_the_run() -> None:
    many = list(islice(plan("F2", 1, 25), 2_000))
    assert 0.25 < sum(one.again != "once" for one in many) / len(many) < 0.35
    assert sum(one.due_in is not None and one.due_in < AFAR for one in many) / len(many) > 0.1
    assert 20 < len(many) / many[-1].at < 30
    assert len({one.key for one in many}) == len({one.source_ref for one in many}) == len(many)


def test_every_person_is_known_again() -> None:
    for one in islice(plan("F2", 1, 25), 200):
        assert set(CANARY.findall(str(one.identity))) == set(one.canaries)
