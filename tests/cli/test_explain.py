"""Saved receipts: a true one holds, and whatever is changed in one is found; and what a person gets to read."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from amanah import project
from amanah.commands.explain import explain
from amanah.explain import recompute, words
from amanah.fault import Fault
from amanah_sla_monitor.domain.clocks import clocks
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.receipt import receipt

WITA = ZoneInfo("Asia/Makassar")
FILED = datetime(2026, 3, 16, 9, tzinfo=WITA)
NOW = datetime(2026, 3, 27, 12, tzinfo=WITA)
LAW = recompute.load(project.pack("id"))


def _facts() -> list[Fact]:
    later = FILED + timedelta(hours=2)
    return [
        Fact("complaint.submitted", "intake", 1, FILED, FILED, channel="web", visibility="open"),
        Fact("complaint.routed", "routing", 1, later, later, actor="system", agency="kalsel-pupr", assignment=1),
    ]


def document() -> dict[str, Any]:
    """As the monitor answers and `--json` prints: it has been through JSON."""
    folded = clocks(_facts(), LAW.rules, LAW.calendars, NOW)
    found = {"complaint": "c", "pack": "id", "at": NOW.isoformat(), "clocks": [receipt(c, None) for c in folded]}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def reply_clock() -> dict[str, Any]:
    return next(c for c in document()["clocks"] if c["stage"] == "first_reply")


def test_every_clock_of_a_true_document_holds() -> None:
    verdicts = [recompute.judge(clock, LAW, NOW) for clock in document()["clocks"]]
    assert [v.stage for v in verdicts] == ["forwarding", "first_reply", "response"]
    assert all(v.holds for v in verdicts), [v.faults for v in verdicts]
    assert verdicts[1].due_at == "2026-03-31T00:00:00+08:00"


def test_an_instant_may_be_written_in_any_zone() -> None:
    clock = reply_clock()
    for field in ("due_at", "start"):
        clock[field] = datetime.fromisoformat(clock[field]).astimezone(UTC).isoformat()
    assert recompute.judge(clock, LAW, NOW).holds


Change = Callable[[dict[str, Any]], None]


def put(field: str, value: Any) -> Change:
    return lambda clock: clock.__setitem__(field, value)


def day(field: str, value: Any) -> Change:
    return lambda clock: clock["days"][2].__setitem__(field, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("due_at", "2026-03-30T00:00:00+08:00"), "due_at: the receipt says 2026-03-30"),
        (put("start", "2026-03-16T16:00:00+08:00"), "due_at"),
        (put("length", 6), "allows no extension by 1"),
        (put("length", 4), "allows no extension by -1"),
        (put("law", "UU 1/1900"), "law: the receipt says UU 1/1900"),
        (put("verified", False), "verified"),
        (put("version", "0"), "pack id has no rule SP4N-2 version 0"),
        (put("rule", "SP4N-1"), "length"),
        (put("calendar_version", "2025.1"), "pack id has no calendar five-day version 2025.1"),
        (put("pauses", [["2026-03-24T09:00:00+08:00", "2026-03-26T09:00:00+08:00"]]), "due_at"),
        (day("counted", True), "2026-03-18: the receipt says counted, collective leave"),
        (day("reason", "day 2"), "2026-03-18"),
        (lambda clock: clock["days"].pop(), "the receipt says nothing, the law gives counted, day 5"),
        (put("state", "breached"), "state: it cannot be breached"),
        (put("state", "met"), "state: it cannot be met"),
    ],
)
def test_whatever_is_changed_is_found(change: Change, said: str) -> None:
    clock = reply_clock()
    change(clock)
    verdict = recompute.judge(clock, LAW, NOW)
    assert not verdict.holds
    assert said in "; ".join(verdict.faults)


@pytest.mark.parametrize(
    ("state", "ended", "at", "holds"),
    [
        ("running", None, timedelta(microseconds=-1), True),
        ("running", None, timedelta(), False),
        ("breached", None, timedelta(), True),
        ("breached", timedelta(microseconds=1), timedelta(hours=1), True),
        ("breached", timedelta(), timedelta(hours=1), False),
        ("met", timedelta(), timedelta(), True),
        ("met", timedelta(microseconds=1), timedelta(hours=1), False),
    ],
)
def test_the_outcome_must_fit_the_instants(state: str, ended: timedelta | None, at: timedelta, holds: bool) -> None:
    clock = reply_clock()
    ends = datetime.fromisoformat(clock["due_at"])
    clock |= {"state": state, "ended_at": (ends + ended).isoformat() if ended is not None else None}
    assert recompute.judge(clock, LAW, ends + at).holds is holds


def test_a_date_that_the_source_promised_is_taken_as_it_is() -> None:
    law = recompute.load(project.pack("nyc311"))
    filed = Fact("complaint.submitted", "intake", 1, FILED, FILED, channel="web", given_due_at=NOW)
    [clock] = clocks([filed], law.rules, law.calendars, FILED)
    assert recompute.judge(json.loads(json.dumps(receipt(clock, None))), law, FILED).holds


def test_what_is_no_receipt_is_refused() -> None:
    with pytest.raises(Fault, match="no receipt"):
        recompute.judge({"stage": "reply"}, LAW, NOW)
    with pytest.raises(Fault, match="no receipt"):
        recompute.judge(reply_clock() | {"start": "yesterday"}, LAW, NOW)


# -- words ---------------------------------------------------------------------------------------------------------------


def test_a_person_reads_rule_law_calendar_and_each_day() -> None:
    text = "\n".join(words.document(document()))
    assert "as of Fri 2026-03-27 12:00:00 +08:00" in text
    for line in (
        "first_reply: 5 working days, RUNNING",
        "  due       Tue 2026-03-31 00:00:00 +08:00",
        "  whose     kalsel-pupr's, by assignment 1",
        "  rule      SP4N-2 version 1, deadline version 1",
        "  calendar  five-day version 2026.1",
        "    Mon 2026-03-16  skipped  start day: counting begins the day after",
        "    Thu 2026-03-19  skipped  holiday: Hari Suci Nyepi",
        "    Wed 2026-03-25  counted  day 2",
        "forwarding: 3 working days, MET",
    ):
        assert line in text.splitlines()
    assert "SP4N-LAPOR! policy" in text


def test_pauses_and_an_open_end_are_said() -> None:
    clock = reply_clock() | {"due_at": None, "state": "paused", "pauses": [["2026-03-25T09:00:00+08:00", None]]}
    text = list(words.receipt(clock))
    assert "  due       no date: the clock stands still" in text
    assert "  paused    Wed 2026-03-25 09:00:00 +08:00 to now" in text


# -- the command -----------------------------------------------------------------------------------------------------------


def saved(folder: Path, content: Any) -> Path:
    file = folder / "receipt.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_a_saved_document_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(receipt=saved(tmp_path, document())) == 0
    assert "first_reply, assignment 1: holds." in capsys.readouterr().out


def test_a_forged_one_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged = document()
    forged["clocks"][1]["due_at"] = "2026-04-30T00:00:00+08:00"
    assert explain(receipt=saved(tmp_path, forged), as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert [clock["holds"] for clock in told["clocks"]] == [True, False, True]


def test_one_clock_alone_needs_to_be_told_its_pack(tmp_path: Path) -> None:
    file = saved(tmp_path, reply_clock())
    with pytest.raises(Fault, match="does not name its pack"):
        explain(receipt=file)
    assert explain(receipt=file, pack="id") == 0


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"clocks": 1}', '{"pack": "id"}', '{"pack": "nowhere"}'])
def test_a_file_that_is_no_receipt_is_said_in_a_sentence(tmp_path: Path, content: str) -> None:
    with pytest.raises(Fault):
        explain(receipt=saved(tmp_path, content))


def test_it_must_be_told_one_thing_to_explain() -> None:
    with pytest.raises(Fault, match="either"):
        explain()


def test_the_calendar_of_these_tests_is_the_pack_s_own() -> None:
    assert LAW.calendars.by_id["five-day"].reason_off(date(2026, 3, 18)) is not None
