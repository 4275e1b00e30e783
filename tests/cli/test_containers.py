"""When the tests take their servers from containers."""

from collections.abc import Sequence

import pytest
from tests.support import containers


class Engine:
    """A container engine that answers or not, and has or gets some images."""

    def __init__(self, *, answers: bool = True, has: Sequence[str] = (), gets: Sequence[str] = ()) -> None:
        self.answers, self.has, self.gets = answers, has, gets
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str], limit: float) -> bool:
        assert 0 < limit <= 60
        self.asked.append(arguments[0])
        if arguments[0] == "info":
            return self.answers
        return arguments[-1] in (self.has if arguments[0] == "image" else self.gets)


BOTH, FIRST = containers.IMAGES, containers.IMAGES[:1]


@pytest.mark.parametrize(
    ("engine", "used"),
    [
        (Engine(answers=False, has=BOTH), False),
        (Engine(has=BOTH), True),
        (Engine(has=FIRST, gets=BOTH), True),
        (Engine(gets=BOTH), True),
        (Engine(), False),
        (Engine(has=FIRST), False),
    ],
)
def test_containers_are_used_where_an_engine_has_or_gets_both_images(engine: Engine, used: bool) -> None:
    assert containers.wanted("", engine) is used


def test_nothing_is_pulled_that_is_there_and_nothing_asked_of_an_engine_that_is_silent() -> None:
    full, silent = Engine(has=BOTH, gets=BOTH), Engine(answers=False)
    containers.wanted("", full)
    containers.wanted("", silent)
    assert "pull" not in full.asked
    assert silent.asked == ["info"]


def test_the_choice_by_hand_asks_nobody() -> None:
    engine = Engine(answers=False)
    assert containers.wanted("docker", engine) is True
    assert containers.wanted("embedded", Engine(has=BOTH)) is False
    assert engine.asked == []
    with pytest.MonkeyPatch.context() as patch, containers.servers() as without:
        patch.setenv("AMANAH_TEST_ENGINE", "embedded")
        assert without == {}


def test_a_program_that_is_missing_or_hangs_is_a_no() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nonexistent")
        assert containers.docker(["info"], 1) is False
