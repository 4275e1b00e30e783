"""Stories that once ended badly, under names that say what was wrong. They are kept for ever."""

import pytest
from tests.deterministic.conftest import Stage
from tests.deterministic.people import VERBS
from tests.deterministic.walk import settled
from tests.deterministic.world import Story


def everybody_hears() -> Story:
    story: Story = []
    for who in range(5):
        story += [("deliver", (who, 1)), ("deliver", (who, 2)), ("relay", (who, 0))]
    return story * 3


def after(*steps: tuple[str, tuple[int, ...]]) -> Story:
    """Steps about one complaint that was filed with a contact, and everybody hears of each."""
    story: Story = [("submit", (0,)), *everybody_hears()]
    for step in steps:
        story += [step, *everybody_hears()]
    return story


@pytest.mark.parametrize("verb", ["reply", "resolve", "acknowledge", "request_information", "extend"])
def test_the_second_pair_of_eyes_heeds_what_was_taken_back(stage: Stage, verb: str) -> None:
    """The recount went by actions that their agency had withdrawn, and called each breach that followed an error."""
    story = after(("order", (0, VERBS.index(verb), 1)), ("order", (0, VERBS.index("withdraw"), 1)))
    stage.do(stage.world.begin(1))
    stage.do(stage.world.tell(story))
    done = stage.do(stage.server.rows("select outcome from casework.action order by id"))
    assert [row["outcome"] for row in done] == ["done", "done"]
    assert stage.do(settled(stage.world)) == []
