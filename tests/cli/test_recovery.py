"""What is meant by the words of `amanah topics rebuild`, and what it says afterwards."""

import json
from typing import Any

import pytest

from amanah import main
from amanah.fault import Fault
from amanah.recovery import places, rebuild
from amanah.recovery.rebuild import Rebuilt
from amanah_chassis.resend import Differing, Pruned

DSN = "postgresql://x@127.0.0.1:9/y"
DONE = Rebuilt(
    sent={"intake": 12_000},
    records={"amanah.complaints": 12_000},
    moved=3,
    pruned=[Pruned("amanah.complaints", 7, 2)],
    others=["amanah.agency.dot.replies"],
    differing=[],
)


def run(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        main.main(("topics", "rebuild", "--kafka", "127.0.0.1:9", *arguments))
    return int(end.value.code or 0)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command was asked to do; it finds what the test says."""
    asked: list[Any] = []

    async def make_anew(place: places.Place, add: bool, _: Any) -> Rebuilt:
        asked.append((place, add))
        return DONE if add else Rebuilt(**(vars(DONE) | {"differing": [Differing("amanah.complaints", 1, 2)]}))

    monkeypatch.setattr(rebuild, "rebuild", make_anew)
    return asked


@pytest.mark.parametrize("words", ["intake", "intakes=" + DSN, "intake=here", "=" + DSN])
def test_a_database_without_a_service_is_a_mistake(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--database", words) == 2
    assert "SERVICE=DSN" in capsys.readouterr().err


def test_a_database_without_kafka_is_a_mistake() -> None:
    with pytest.raises(Fault, match="--kafka") as raised:
        places.find(None, [f"intake={DSN}"], None)
    assert raised.value.code == 2


def test_each_service_has_its_database(done: list[Any]) -> None:
    run("--database", f"intake={DSN}", "--database", f"routing={DSN}?a=b", "--add")
    assert done == [(places.Place("127.0.0.1:9", {"intake": DSN, "routing": f"{DSN}?a=b"}), True)]


def test_a_database_that_does_not_answer_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--database", f"intake={DSN}") == 1
    assert "database of intake does not answer" in capsys.readouterr().err


@pytest.mark.usefixtures("done")
def test_it_says_what_came_of_it_and_what_no_outbox_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--database", f"intake={DSN}", "--add") == 0
    out = capsys.readouterr().out
    for words in (
        "intake sent 12,000 events",
        "amanah.complaints holds 12,000 records",
        "not rebuilt: 7 events about 2 complaints on amanah.complaints",
        "not rebuilt: orders on 1 topics amanah.agency.*.replies",
        "All topics are as the outboxes have them.",
    ):
        assert words in out


@pytest.mark.usefixtures("done")
def test_a_topic_that_differs_ends_it_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--database", f"intake={DSN}") == 1
    out, err = capsys.readouterr()
    assert "lacks 1 events and has 2 otherwise" in err
    assert "The topics differ from the outboxes." in out
    assert run("--database", f"intake={DSN}", "--json") == 1
    assert json.loads(capsys.readouterr().out)["differing"] == [
        {"topic": "amanah.complaints", "lacking": 1, "otherwise": 2}
    ]
