"""Every check can fail: each promise is broken alone, and exactly that is found."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.verify.found import CLOCK, DUE, END, FILED, GOOD, LATE, READ_AT, Found, of

from amanah.verify import checks
from amanah.verify.history import Filing
from amanah.verify.records import Unreadable
from amanah.verify.run import judge

Break = Callable[[Found], object]
PLACE = "amanah.cases/0@7"


def findings(found: Found) -> list[tuple[str, str]]:
    """(check, what it found) of each."""
    return sorted((c.name, finding.check) for c in judge(found.evidence()).checks for finding in c.findings)


# -- nothing wrong, nothing found ------------------------------------------------------------------------------------------


def add_withdrawn_and_true_after_all(found: Found) -> None:
    """Outside a replay, where facts may be late."""
    found.history = None
    found.withdrawal()
    found.breach(at=DUE + timedelta(days=1))
    found.notice("n3", "agency:dot")
    found.notice("n4", "ombudsman")
    found.received = {"n1", "n2", "n3", "n4"}


def whistle_blower(found: Found) -> None:
    """Of whose complaint only the ombudsman is told."""
    found.change(of("complaint.submitted", LATE), body={"visibility": "whistle_blower"})
    found.never(lambda r: r.type == "notice.sent.v1" and bool(r.body) and r.body["notice_id"] == "n1")
    found.change(of("notice.sent"), sequence=1)
    found.received = {"n2"}


def put_poison(found: Found) -> None:
    """A client that tests us says where it put what is no event."""
    found.told().poisons.add(PLACE)
    found.unreadable.append(Unreadable(PLACE, "no headers"))
    found.books.dead.append(("routing", PLACE, "no_type"))


def triage(found: Found) -> None:
    found.never(of("complaint.routed", GOOD))
    found.add("amanah.assignments", "triage.requested", GOOD)


def redelivered(found: Found) -> None:
    found.records.append(replace(found.records[0], offset=99))


def later_than_the_books(found: Found) -> None:
    """A live deployment goes on while it is looked at: what came after the databases were read is not missed there."""
    found.books.outbox -= {(r.id, r.topic) for r in found.records if r.type.startswith(("complaint.", "deadline.b"))}
    found.records = [
        replace(r, appended_ms=READ_AT) if r.type.startswith(("complaint.", "deadline.b")) else r for r in found.records
    ]
    del found.books.complaints[GOOD]
    found.books.fired.clear()


def pruned_outbox(found: Found) -> None:
    """Its oldest rows are gone by their term, and Kafka has the records still."""
    oldest = found.records[0]
    found.books.outbox.remove((oldest.id, oldest.topic))
    found.books.pruned_ms[oldest.source] = oldest.appended_ms


def unwritten_receivers(found: Found) -> None:
    found.received = None


def breach_of_a_rule(found: Found) -> None:
    """Of such a deadline the log knows nothing."""
    found.breach(GOOD, rule="reply-14-days", stage="reply")
    found.books.fired.add((GOOD, "reply", "0", "1", "due"))
    for notice, recipient in (("n3", "agency:dot"), ("n4", "ombudsman")):
        found.add(
            "amanah.notices", "notice.sent", GOOD,
            notice_id=notice, about="deadline.breached.v1", stage="reply", recipient=recipient,
        )  # fmt: skip
    found.received = {"n1", "n2", "n3", "n4"}


@pytest.mark.parametrize(
    "differ",
    [
        lambda _: None,
        add_withdrawn_and_true_after_all,
        whistle_blower,
        put_poison,
        triage,
        redelivered,
        later_than_the_books,
        pruned_outbox,
        unwritten_receivers,
        breach_of_a_rule,
    ],
)
def test_what_is_in_order_yields_nothing(differ: Break) -> None:
    found = Found()
    differ(found)
    assert findings(found) == []
    assert judge(found.evidence()).ok


# -- one thing wrong, this one thing found ---------------------------------------------------------------------------------


def lose_an_acknowledged(found: Found) -> None:
    found.told().filings.append(Filing("row-3", "gone", FILED, None, None))


def file_an_acknowledged_twice(found: Found) -> None:
    found.add("amanah.complaints", "complaint.submitted", GOOD)


def answer_two_rows_with_one(found: Found) -> None:
    found.told().filings.append(Filing("row-3", GOOD, FILED, DUE, DUE))


def make_two_of_one_row(found: Found) -> None:
    found.books.complaints["second"] = "row-2"
    found.add("amanah.complaints", "complaint.submitted", "second")
    found.add("amanah.assignments", "complaint.routed", "second")


def lose_a_committed(found: Found) -> None:
    found.books.complaints["silent"] = None


def file_uncommitted(found: Found) -> None:
    found.told().filings = found.told().filings[:1]
    del found.books.complaints[GOOD]


def file_twice_without_history(found: Found) -> None:
    found.history = None
    found.add("amanah.complaints", "complaint.submitted", GOOD)


def lose_a_sent(found: Found) -> None:
    found.books.outbox.add(("sent", "amanah.cases"))


def leave_unsent(found: Found) -> None:
    found.books.unsent.append(("casework", "waiting", "amanah.cases"))


def put_past_the_outbox(found: Found) -> None:
    found.books.outbox.remove((found.add("amanah.cases", "case.replied", GOOD).id, "amanah.cases"))


def put_past_a_pruned_outbox(found: Found) -> None:
    """Younger than all that was pruned, or another service's: that excuses nothing."""
    record = found.add("amanah.cases", "case.replied", GOOD)
    found.books.outbox.remove((record.id, record.topic))
    found.books.pruned_ms |= {record.source: record.appended_ms - 1, "amanah.other": record.appended_ms}


def send_to_another_topic_too(found: Found) -> None:
    """The same event where its outbox did not send it."""
    found.records.append(replace(found.records[0], topic="amanah.cases", source="amanah/x"))


def scatter(found: Found) -> None:
    found.change(of("deadline.met"), partition=1)


def leave_a_gap(found: Found) -> None:
    found.change(of("deadline.met"), sequence=3)


def number_twice(found: Found) -> None:
    found.change(of("deadline.met"), sequence=1)


def swap(found: Found) -> None:
    found.change(of("deadline.started", GOOD), sequence=2)
    found.change(of("deadline.met"), sequence=1)


def put_rubbish(found: Found) -> None:
    found.unreadable.append(Unreadable(PLACE, "no headers"))


def route_nowhere(found: Found) -> None:
    found.never(of("complaint.routed", GOOD, "amanah.assignments"))


def breach_twice(found: Found) -> None:
    found.breach()


def breach_early(found: Found) -> None:
    for topic in ("amanah.deadlines",):
        early = of("deadline.breached", LATE, topic)
        body = next(r.body for r in found.records if early(r)) or {}
        found.change(early, body=body | {"detected_at": (DUE - timedelta(seconds=1)).isoformat()})


def forget_a_breach(found: Found) -> None:
    found.books.fired.add((GOOD, "reply", "0", "1", "due"))


def breach_without_the_database(found: Found) -> None:
    found.books.fired.remove(CLOCK)


def never_fire(found: Found) -> None:
    found.books.overdue.append((GOOD, "reply", 0))


def cut_the_client_off(found: Found) -> None:
    found.told().end = None


def demand_another_breach(found: Found) -> None:
    """The log says that it was closed a second late."""
    found.told().filings[1] = Filing("row-2", GOOD, FILED, DUE, DUE + timedelta(seconds=1))


def demand_a_breach_by_a_closing_before_the_filing(found: Found) -> None:
    found.told().filings[1] = Filing("row-2", GOOD, FILED, DUE, FILED - timedelta(seconds=1))


def demand_no_breach(found: Found) -> None:
    found.told().filings[0] = Filing("row-1", LATE, FILED, DUE, DUE)


def end_before_the_breach(found: Found) -> None:
    found.told().end = DUE - timedelta(seconds=1)


def misdate(found: Found) -> None:
    found.told().filings[0] = Filing("row-1", LATE, FILED, DUE - timedelta(seconds=1), None)


def withdraw(found: Found) -> None:
    """The log demands none here, and yet one was said."""
    found.told().filings[0] = Filing("row-1", LATE, FILED, DUE, DUE)
    found.withdrawal()


def tell_one_only(found: Found) -> None:
    found.never(lambda r: r.type == "notice.sent.v1" and r.sequence == 2)
    found.received = {"n1"}


def tell_of_another_stage(found: Found) -> None:
    found.change(of("notice.sent"), body=(found.records[-1].body or {}) | {"stage": "reply"})


def tell_twice(found: Found) -> None:
    found.notice("n3", "ombudsman")
    found.received = {"n1", "n2", "n3"}


def fail_to_tell(found: Found) -> None:
    found.never(lambda r: r.type == "notice.sent.v1" and r.sequence == 2)
    found.notice("n2", "ombudsman", "notice.failed", reason="gone 410")
    found.received = {"n1"}


def leave_notices_waiting(found: Found) -> None:
    found.books.waiting_notices = 1


def lose_a_notice(found: Found) -> None:
    found.received = {"n1"}


def send_unrecorded(found: Found) -> None:
    found.received = {"n1", "n2", "n3"}


def leave_a_dead_letter(found: Found) -> None:
    found.books.dead.append(("routing", PLACE, "no_type"))


def leave_parked(found: Found) -> None:
    found.books.parked.append(("routing", f"waits for a gap: {PLACE}"))


FAULTS: list[tuple[Break, list[tuple[str, str]]]] = [
    (lose_an_acknowledged, [("acknowledged", "acknowledged_lost")]),
    (file_an_acknowledged_twice, [("acknowledged", "filed_twice")]),
    (answer_two_rows_with_one, [("acknowledged", "filed_twice")]),
    (make_two_of_one_row, [("acknowledged", "filed_twice")]),
    (lose_a_committed, [("committed", "committed_lost")]),
    (file_uncommitted, [("committed", "never_committed")]),
    (file_twice_without_history, [("committed", "filed_twice")]),
    (lose_a_sent, [("outbox", "event_lost")]),
    (leave_unsent, [("outbox", "unsent")]),
    (put_past_the_outbox, [("outbox", "not_from_an_outbox")]),
    (put_past_a_pruned_outbox, [("outbox", "not_from_an_outbox")]),
    (send_to_another_topic_too, [("acknowledged", "filed_twice"), ("outbox", "not_from_an_outbox")]),
    (scatter, [("sequences", "scattered")]),
    (leave_a_gap, [("sequences", "sequence_gap")]),
    (number_twice, [("sequences", "sequence_gap")]),
    (swap, [("sequences", "sequence_order")]),
    (put_rubbish, [("readable", "unreadable")]),
    (route_nowhere, [("routed", "not_routed")]),
    (breach_twice, [("breached_once", "breached_twice")]),
    (breach_early, [("breached_once", "breached_early")]),
    (forget_a_breach, [("breached_once", "event_lost")]),
    (breach_without_the_database, [("breached_once", "never_fired")]),
    (never_fire, [("breached_once", "not_fired")]),
    (cut_the_client_off, [("breached_rightly", "history_incomplete")]),
    (demand_another_breach, [("breached_rightly", "breach_missing")]),
    (demand_a_breach_by_a_closing_before_the_filing, [("breached_rightly", "breach_missing")]),
    (demand_no_breach, [("breached_rightly", "breach_unfounded")]),
    (end_before_the_breach, [("breached_rightly", "breach_unfounded")]),
    (misdate, [("breached_rightly", "breach_misdated")]),
    (withdraw, [("breached_rightly", "breach_withdrawn")]),
    (tell_one_only, [("told", "not_told")]),
    (tell_of_another_stage, [("told", "not_told"), ("told", "told_twice")]),
    (tell_twice, [("told", "told_twice")]),
    (fail_to_tell, [("told", "notice_failed")]),
    (leave_notices_waiting, [("told", "notices_waiting")]),
    (lose_a_notice, [("received", "notice_lost")]),
    (send_unrecorded, [("received", "notice_unrecorded")]),
    (leave_a_dead_letter, [("set_aside", "dead_letter")]),
    (leave_parked, [("set_aside", "parked")]),
]


@pytest.mark.parametrize(("break_it", "wrong"), FAULTS, ids=[break_it.__name__ for break_it, _ in FAULTS])
def test_one_broken_promise_is_found_and_nothing_else(break_it: Break, wrong: list[tuple[str, str]]) -> None:
    found = Found()
    break_it(found)
    assert findings(found) == wrong
    assert not judge(found.evidence()).ok


def test_every_finding_that_a_check_can_make_is_provoked_here() -> None:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(checks))) if isinstance(node, ast.Call)]
    named = {c.args[0].value for c in calls if isinstance(c.func, ast.Name) and c.func.id == "Finding"}  # type: ignore[attr-defined]
    assert named == {finding for _, wrong in FAULTS for _, finding in wrong}


def test_every_check_is_run_and_looks_at_something() -> None:
    defined = {name for name, value in vars(checks).items() if inspect.isgeneratorfunction(value)}
    assert {check.__name__ for check in checks.CHECKS} == defined
    looked = {c.name: c.examined for c in judge(Found().evidence()).checks}
    assert all(looked[name] for name in defined - {"set_aside"})


# -- figures ---------------------------------------------------------------------------------------------------------------


def test_figures() -> None:
    found = Found()
    redelivered(found)
    result = judge(found.evidence())
    figures = result.as_dict()
    assert {name: figures[name] for name in list(figures)[:11]} == {
        "ok": True,
        "filed": 2,
        "routed": 2,
        "met": 1,
        "breached": 1,
        "open": 1,
        "withdrawn": 0,
        "notices": 2,
        "lost": 0,
        "duplicated": 0,
        "redelivered": 1,
    }
    assert result.breaches == [
        {"source_id": "row-1", "stage": "resolution", "due_at": DUE.isoformat(), "breached_at": DUE.isoformat()}
    ]


def test_a_breach_that_came_true_after_all_stands_once_with_its_last_date() -> None:
    found = Found()
    add_withdrawn_and_true_after_all(found)
    result = judge(found.evidence())
    assert result.withdrawn == 1
    assert [breach["breached_at"] for breach in result.breaches] == [(DUE + timedelta(days=1)).isoformat()]


def test_a_withdrawn_breach_does_not_stand() -> None:
    found = Found()
    withdraw(found)
    assert judge(found.evidence()).breaches == []


def test_without_a_history_the_source_ids_are_intakes_own_and_filed_is_what_kafka_has() -> None:
    found = Found()
    found.history = None
    result = judge(found.evidence())
    assert result.filed == 2
    assert result.breaches[0]["source_id"] == "row-1"


def test_filed_counts_complaints_and_not_answers() -> None:
    found = Found()
    found.told().filings *= 2
    assert judge(found.evidence()).filed == 2
    assert judge(found.evidence()).ok


@pytest.mark.parametrize(
    ("break_it", "lost", "duplicated"),
    [
        (lose_an_acknowledged, 1, 0),
        (lose_a_committed, 1, 0),
        (lose_a_sent, 1, 0),
        (forget_a_breach, 1, 0),
        (file_an_acknowledged_twice, 0, 1),
        (breach_twice, 0, 1),
        (tell_twice, 0, 1),
        (demand_another_breach, 0, 0),
        (swap, 0, 0),
    ],
)
def test_lost_and_duplicated(break_it: Break, lost: int, duplicated: int) -> None:
    found = Found()
    break_it(found)
    figures = judge(found.evidence()).as_dict()
    assert (figures["ok"], figures["lost"], figures["duplicated"]) == (False, lost, duplicated)


def test_breaches_are_listed_by_instant() -> None:
    found = Found()
    found.breach(GOOD, at=DUE - timedelta(days=1))
    assert [b["source_id"] for b in judge(found.evidence()).breaches] == ["row-2", "row-1"]
    assert END > DUE
