"""A log with everything that logs have: broken rows, doubles, closings before filings, deadlines at awkward instants. And
a replay that was stopped half-way, in whose data directory it is then played."""

import json
from pathlib import Path

import pytest
from tests.e2e.support import LOG, Command, Ended, replay, verify

DAY = "2018-06-{:02}T{:02}:00:00.000"


def row(
    number: str, filed: str | None, closed: str | None = None, due: str | None = None, **more: object
) -> dict[str, object]:
    """As the City's open-data interface gives it."""
    values = {"unique_key": number, "created_date": filed, "closed_date": closed, "due_date": due}
    values |= {"agency": "DOT", "complaint_type": "Street Light Condition", "borough": "BROOKLYN"}
    return {name: value for name, value in (values | more).items() if value is not None}


def at(day: int, hour: int) -> str:
    return DAY.format(day, hour)


ROWS: list[object] = [
    row("met", at(1, 8), at(2, 8), at(3, 8)),
    row("met-at-the-very-instant", at(1, 8), at(3, 8), at(3, 8)),
    row("late-by-an-hour", at(1, 8), at(3, 9), at(3, 8)),
    row("never-closed", at(1, 9), None, at(4, 8)),
    row("closed-before-filing", at(2, 9), at(1, 9), at(5, 8)),
    row("due-before-filing", at(3, 9), at(4, 9), at(2, 9)),
    row("due-before-filing-and-open", at(3, 9), None, at(2, 9)),
    row("due-at-the-last-instant", at(1, 9), None, at(9, 8)),
    row("met-at-the-last-instant", at(1, 9), at(9, 8), at(9, 8)),
    row("all-at-one-instant", at(6, 8), at(6, 8), at(6, 8)),
    row("without-a-deadline", at(1, 10), at(8, 10)),
    row("open-without-a-deadline", at(1, 10)),
    row("agency-unknown", at(1, 10), at(2, 10), at(3, 10), agency="XYZ", complaint_type="No such type"),
    row("agency-not-named", at(1, 10), None, at(3, 10), agency=None, complaint_type="Noise - Residential"),
    row("met", at(1, 8), None, at(1, 9)),
    row("no-filing-date", None, at(2, 8)),
    row("no-date", at(1, 8), None, "soon"),
    "no row",
    row("not-taken-by-intake", at(1, 8), at(2, 8), at(1, 9), descriptor="a bell\x07"),
]
BREACHED = {
    "late-by-an-hour": at(3, 8),
    "never-closed": at(4, 8),
    "closed-before-filing": at(5, 8),
    "due-before-filing": at(2, 9),
    "due-before-filing-and-open": at(2, 9),
    "due-at-the-last-instant": at(9, 8),
    "agency-not-named": at(3, 10),
}


@pytest.fixture(scope="module")
def interrupted(data: Path) -> tuple[Ended, list[str]]:
    """A replay of the shipped log that is stopped by Ctrl-C while it runs; and what it leaves running."""
    with Command(data, "replay", str(LOG), "--pack", "nyc311") as command:
        command.says("Replaying")
        command.interrupt()
        return command.ended(), command.left()


@pytest.fixture(scope="module")
def done(data: Path, interrupted: object, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    log = tmp_path_factory.mktemp("log") / "log.json"
    log.write_text(json.dumps(ROWS))
    return replay(data, log)


def test_a_replay_that_is_stopped_says_so_in_one_line_and_leaves_nothing_running(
    interrupted: tuple[Ended, list[str]],
) -> None:
    ended, left = interrupted
    assert ended.code == 130
    assert left == []
    assert ended.err.splitlines()[-2:] == ["amanah: Stopping", "amanah: Stopped."]
    assert all(line.startswith("amanah: ") for line in ended.err.splitlines()), ended.err
    assert (ended.out, ended.figures) == ("", {})


def test_the_next_replay_in_the_same_directory_succeeds(done: Ended) -> None:
    assert done.code == 0, (done.err, done.figures.get("findings"))


def test_every_row_is_filed_or_rejected_with_line_and_reason(done: Ended) -> None:
    assert {name: done.figures[name] for name in ("rows", "filed", "rejected")} == {
        "rows": 19,
        "filed": 14,
        "rejected": 5,
    }
    assert [(r["line"], r["source_id"], r["reason"]) for r in done.figures["rejections"]] == [
        (15, "met", "its number stands already on line 1"),
        (16, "no-filing-date", "created_date is empty"),
        (17, "no-date", "due_date is no date: 'soon'"),
        (18, None, "is no object"),
        (19, "not-taken-by-intake", "intake answered 422: narrative: holds a control character"),
    ]
    assert "rejected, line 19: intake answered 422" in done.out


def test_a_closing_before_its_filing_is_refused_with_its_reason_and_the_filing_stands(done: Ended) -> None:
    assert done.figures["refused_closings"] == [
        {"source_id": "closed-before-filing", "reason": "occurred_before_filing"}
    ]


def test_each_deadline_is_met_or_breached_at_its_own_instant(done: Ended) -> None:
    assert {b["source_id"]: b["breached_at"] for b in done.figures["breaches"]} == {
        name: utc(due) for name, due in BREACHED.items()
    }
    assert done.figures["met"] == 5


def test_figures(done: Ended) -> None:
    expected = {"routed": 14, "open": 6, "withdrawn": 0, "lost": 0, "duplicated": 0}
    assert {name: done.figures[name] for name in expected} == expected
    # Where the deadline had passed before the filing, an agency is told of the breach only if it has the case already.
    assert 3 * len(BREACHED) - 4 <= done.figures["notices"] <= 3 * len(BREACHED)


def test_verify_agrees_on_the_stopped_stack(done: Ended, data: Path) -> None:
    again = verify(data)
    assert (again.code, again.figures["findings"]) == (0, [])
    assert again.figures["breaches"] == done.figures["breaches"]
    assert again.figures["filed"] == 14


def utc(local: str) -> str:
    """New York was four hours behind in June."""
    return f"2018-06-{local[8:10]}T{int(local[11:13]) + 4:02}:00:00Z"
