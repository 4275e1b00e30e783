"""Everything that may happen, in any order that Hypothesis likes, and every promise when it has settled.

`AMANAH_EXAMPLES=2000` tries 2,000 stories of 50 steps, which takes twelve minutes. A
story that fails is printed as a list of steps: put it into `test_regressions.py` under a name that says what was wrong.
"""

import os
from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.deterministic.conftest import Stage
from tests.deterministic.people import VERBS
from tests.deterministic.postgres import SERVICES
from tests.deterministic.walk import SCENES, STEPS, settled, walk
from tests.deterministic.world import World

EXAMPLES = int(os.environ.get("AMANAH_EXAMPLES", "12"))

dice = st.integers(0, 9999)
who = st.integers(0, len(SERVICES) - 1)
which = st.integers(0, 3)
verb = st.integers(0, len(VERBS) - 1)


class Machine(RuleBasedStateMachine):
    """One story. A rule is one step of the world, or one scene of several."""

    stage: ClassVar[Stage]

    def _do(self, name: str, *numbers: int) -> None:
        self.stage.do(self.stage.world.do(name, *numbers))

    @initialize(seed=dice, kinds=st.lists(st.integers(0, 5), min_size=1, max_size=3))
    def begin(self, seed: int, kinds: list[int]) -> None:
        self.stage.do(self.stage.world.begin(seed))
        for kind in kinds:
            self._do("submit", kind)

    @rule(kind=st.integers(0, 5))
    def submit(self, kind: int) -> None:
        self._do("submit", kind)

    @rule(filed=which, reuse=st.booleans())
    def retry(self, filed: int, reuse: bool) -> None:
        self._do("reuse" if reuse else "retry", filed)

    @rule(complaint=which, verb=verb, dice=dice)
    def order(self, complaint: int, verb: int, dice: int) -> None:
        self._do("order", complaint, verb, dice)

    @rule(given=which)
    def order_again(self, given: int) -> None:
        self._do("order_again", given)

    @rule(dice=dice)
    def poison(self, dice: int) -> None:
        self._do("poison", dice)

    @rule(complaint=which, agency=st.integers(0, 4))
    def triage(self, complaint: int, agency: int) -> None:
        self._do("triage", complaint, agency)

    @rule(who=who, lose=st.integers(0, 2))
    def relay(self, who: int, lose: int) -> None:
        self._do("relay", who, lose)

    @rule(who=who, dice=dice)
    def deliver_and_reorder(self, who: int, dice: int) -> None:
        self._do("deliver", who, dice)

    @rule(who=who, all_again=st.booleans())
    def redeliver(self, who: int, all_again: bool) -> None:
        self._do("rewind" if all_again else "rebalance", who)

    @rule(who=who, steps=st.integers(-1, 23))
    def crash(self, who: int, steps: int) -> None:
        if steps < 0:
            self._do("kill", who)
        else:
            self._do("fuse", who, steps)

    @rule(who=who, complaint=which)
    def curse(self, who: int, complaint: int) -> None:
        self._do("curse", who, complaint)

    @rule()
    def mend(self) -> None:
        self._do("mend")

    @rule(minutes=st.integers(1, 3000))
    def advance(self, minutes: int) -> None:
        self._do("advance", minutes)

    @rule(off=st.integers(0, 3), limit=st.integers(0, 7))
    def next_deadline(self, off: int, limit: int) -> None:
        self._do("next_deadline", off)
        self._do("tick", limit)

    @rule(who=who)
    def sweep(self, who: int) -> None:
        self._do("sweep", who)

    @rule(dice=dice)
    def notices(self, dice: int) -> None:
        self._do("notices", dice)

    @rule(fuse=st.integers(0, 39))
    def edit_law(self, fuse: int) -> None:
        self._do("law", fuse)

    @rule(which=st.integers(0, len(SCENES) - 1), chance=st.randoms(use_true_random=False))
    def scene(self, which: int, chance: object) -> None:
        for name, numbers in SCENES[which][0](chance):  # type: ignore[arg-type]
            self._do(name, *numbers)

    def teardown(self) -> None:
        """Whatever happened, it must come to rest, and every promise must hold."""
        found = self.stage.do(settled(self.stage.world))
        assert not found, told(self.stage, found)


def told(stage: Stage, found: Sequence[object]) -> str:
    """What was not kept, and the story to put into `test_regressions.py`."""
    anomalies = "\n".join(str(anomaly) for anomaly in found[:20])
    return f"{len(found)} anomalies\n{anomalies}\nafter the story\n{stage.world.story}"


def test_every_promise_holds_whatever_happens(stage: Stage) -> None:
    Machine.stage = stage
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
            print_blob=True,
        ),
    )


def test_a_story_is_told_the_same_way_twice(stage: Stage) -> None:
    """One seed decides everything: the same records in the same places, to the byte."""

    async def once() -> tuple[object, ...]:
        await walk(stage.world, 11)
        return tuple(stage.world.broker.records()), tuple(stage.world.sent), tuple(stage.world.story)

    first, second = stage.do(once()), stage.do(once())
    assert len(first[0]) > 50  # type: ignore[arg-type]
    assert first == second


@pytest.mark.parametrize("name", STEPS)
def test_every_step_can_be_told(name: str) -> None:
    """A walk knows no step that the world does not."""
    assert hasattr(World, f"on_{name}")
