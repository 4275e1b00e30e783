"""`amanah due --stdin`: whatever a line holds, one line comes back, and the good questions among them are answered."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.fuzz.junk import deep, instants, not_json, values, written
from tests.fuzz.tried import tiers, tried

from amanah import project
from amanah.due.lines import answers
from amanah_sla_monitor.calculator import load

LAW = load(project.pack("id"))
GOOD = written({"rule": "SP4N-2", "start": "2026-03-16T09:00:00+08:00"})
DUE = "2026-03-31T00:00:00+08:00"

rules = st.sampled_from([*(rule.id for rule in LAW.rules), *LAW.rules.unknown]) | values
pauses = st.lists(st.tuples(instants, st.none() | instants) | values, max_size=4) | values
questions = st.fixed_dictionaries(
    {"rule": rules, "start": instants | values},
    optional={
        "calendar": st.sampled_from([*LAW.calendars.by_id]) | values,
        "pauses": pauses,
        "extend": st.booleans() | values,
        "pack": st.just("id") | values,
        "unheard of": values,
    },
)
lines = st.lists(
    st.one_of(questions.map(written), values.map(written), not_json, deep, st.binary(max_size=80), st.just(GOOD)).map(
        lambda line: line.replace(b"\n", b" ")
    ),
    min_size=1,
    max_size=6,
)


@tiers(300, 20_000)
def test_each_line_is_answered_and_the_good_ones_are_counted(examples: int) -> None:
    def check(asked: list[bytes]) -> None:
        told = list(answers(asked, LAW))
        assert len(told) == len(asked)
        for line, answer in zip(asked, told, strict=True):
            assert "\n" not in answer
            found: dict[str, Any] = json.loads(answer)
            assert "due_at" in found or (found.keys() == {"error"} and found["error"])
            if line == GOOD:
                assert found["due_at"] == DUE

    tried("amanah due --stdin, lines", examples, lines, check)


def test_an_enormous_line_is_one_answer(tmp_path: Path) -> None:
    asked = [b'{"rule": "' + b"x" * 2_000_000 + b'"}', b"[" * 1_000_000, b'{"rule": ' + b"9" * 100_000 + b"}", GOOD]
    told = [json.loads(line) for line in answers(asked, LAW)]
    assert [answer.keys() for answer in told[:3]] == [{"error"}] * 3
    assert told[3]["due_at"] == DUE
