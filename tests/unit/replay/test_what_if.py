"""What a draft changes, from facts and from what a run said: the table, and the check that both ways agree."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from amanah.replay.outcome import breaches
from amanah.replay.what_if import Line, Said, check, compare, fold, overruled, shown
from amanah.verify.books import Books
from amanah.verify.evidence import Evidence
from amanah.verify.records import Record
from amanah_sla_monitor.domain.calendars import Calendar, Calendars
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Bound, Rule, Unit, rules, term

NEW_YORK = ZoneInfo("America/New_York")
WEEK = Calendar("week", "1", NEW_YORK, dict.fromkeys(range(5), ((time(9), time(17)),)))
CALENDARS = Calendars({"week": WEEK}, "week", {})


def at(day: int, hour: int = 10) -> datetime:
    """Of June 2018, whose first was a Friday, in New York."""
    return datetime(2018, 6, day, hour, tzinfo=NEW_YORK).astimezone(UTC)


def rule(name: str, unit: Unit, length: int = 0, stage: str = "resolution") -> Rule:
    return Rule(
        name,
        "1",
        stage,
        Bound.CITIZEN,
        term(unit, length),
        frozenset({"complaint.submitted"}),
        frozenset({"case.resolved"}),
        date.min,
        "a law",
        verified=False,
    )


PRESENT = Law("home", rules(rule("given", Unit.GIVEN)), CALENDARS)
DRAFT = Law("draft", rules(rule("two-days", Unit.WORKING_DAY, 2)), CALENDARS)


def case(
    filed: datetime, agency: str, promised: datetime | None = None, resolved: datetime | None = None
) -> list[Fact]:
    facts = [
        Fact("complaint.submitted", "intake", 1, filed, filed, channel="import", given_due_at=promised),
        Fact("complaint.routed", "routing", 1, filed, filed, actor="system", agency=agency, assignment=1),
    ]
    if resolved:
        facts.append(Fact("case.resolved", "casework", 1, resolved, resolved, actor="agency", agency=agency))
    return facts


# Two working days of a Monday's filing end at Wednesday's midnight, of a Friday's at Tuesday's.
FACTS = {
    "promise-broken-in-time": case(at(4), "dot", promised=at(5), resolved=at(6)),  # breached now, not by the draft
    "promise-kept-too-late": case(at(4), "dot", promised=at(15), resolved=at(7)),  # met now, breached by the draft
    "neither": case(at(4), "hpd", promised=at(15), resolved=at(5)),
    "never-closed": case(at(8), "hpd"),  # no promise: only the draft has a deadline
    "too-young": case(at(14), "hpd"),
}
END = at(15)
MIDNIGHT = at(6, 23).replace(hour=4, day=7)
TUESDAY = at(12, 23).replace(hour=4, day=13)
SAID = Said(
    {
        ("promise-broken-in-time", "resolution", 0): ("dot", "met"),
        ("promise-kept-too-late", "resolution", 0): ("dot", "breached"),
        ("neither", "resolution", 0): ("hpd", "met"),
        ("never-closed", "resolution", 0): ("hpd", "breached"),
        ("too-young", "resolution", 0): ("hpd", "running"),
    },
    {("promise-kept-too-late", "resolution", 0): MIDNIGHT, ("never-closed", "resolution", 0): TUESDAY},
)


def test_each_agency_and_stage_has_a_line_with_both_sides() -> None:
    found = compare("two-days", SAID, fold(FACTS, PRESENT, END))
    assert found.as_dict() == {
        "rules": "two-days",
        "by_agency_and_stage": [
            {
                "agency": "dot",
                "stage": "resolution",
                "clocks": 2,
                "met": 1,
                "breached": 1,
                "open": 0,
                "breached_now": 1,
            },
            {
                "agency": "hpd",
                "stage": "resolution",
                "clocks": 3,
                "met": 1,
                "breached": 1,
                "open": 1,
                "breached_now": 0,
            },
        ],
        "breached": 2,
        "breached_now": 1,
    }
    assert [line.change for line in found.lines] == [0, 1]


def test_a_stage_that_only_the_present_rules_have_keeps_its_line() -> None:
    present = Law("home", rules(rule("day", Unit.WORKING_DAY, 1, stage="reply")), CALENDARS)
    [line, *_] = [line for line in compare("d", SAID, fold(FACTS, present, END)).lines if line.stage == "reply"]
    assert (line.agency, line.clocks, line.breached, line.breached_now, line.change) == ("dot", 0, 0, 2, -2)


def test_what_was_said_is_what_the_draft_gives() -> None:
    checked = check(SAID, fold(FACTS, DRAFT, END), fold(FACTS, PRESENT, END))
    assert (checked.examined, checked.findings) == (5, [])


@pytest.mark.parametrize(
    ("standing", "breached", "words"),
    [
        ({}, {"never-closed": None}, "never-closed, clock resolution/0: the run said breached, but not in Kafka"),
        (
            {},
            {"never-closed": MIDNIGHT},
            "the run said breached at 2018-06-07T04:00:00+00:00, the draft gives breached at",
        ),
        ({}, {"neither": MIDNIGHT}, "neither, clock resolution/0: the run said breached at 2018-06-07"),
        ({"too-young": None}, {}, "too-young, clock resolution/0: the run said nothing, the draft gives running"),
        ({"too-young": ("hpd", "met")}, {}, "the run said met, the draft gives running"),
        ({"unknown": ("hpd", "met")}, {}, "unknown, clock resolution/0: the run said met, the draft gives nothing"),
    ],
)
def test_any_difference_is_a_finding(
    standing: dict[str, tuple[str, str] | None], breached: dict[str, datetime | None], words: str
) -> None:
    kept = {**SAID.standing, **{(name, "resolution", 0): value for name, value in standing.items()}}
    fell = {**SAID.breaches, **{(name, "resolution", 0): when for name, when in breached.items()}}
    said = Said({k: v for k, v in kept.items() if v}, {k: v for k, v in fell.items() if v})
    [finding] = check(said, fold(FACTS, DRAFT, END), fold(FACTS, PRESENT, END)).findings
    assert finding.check == "what_if"
    assert words in finding.detail


def test_a_complaint_beyond_the_calendars_is_a_finding_not_a_crash() -> None:
    facts = {"ancient": case(datetime(1960, 6, 4, 10, tzinfo=UTC), "dot")}
    folded = fold(facts, DRAFT, END)
    [finding] = check(Said({}, {}), folded, fold({}, PRESENT, END)).findings
    assert "complaint ancient cannot be counted" in finding.detail
    assert overruled(folded, facts) == set()


def test_the_logs_own_dates_bind_only_where_the_draft_keeps_them() -> None:
    assert overruled(fold(FACTS, DRAFT, END), FACTS) == set(FACTS)
    both = Law(
        "both", rules(rule("two-days", Unit.WORKING_DAY, 2, stage="reply"), rule("given", Unit.GIVEN)), CALENDARS
    )
    assert overruled(fold(FACTS, both, END), FACTS) == {"never-closed", "too-young"}, "they have no date to bind"


def test_lines_without_a_change_are_left_out_only_where_there_are_too_many() -> None:
    lines = [Line("a", "s", breached=1), Line("b", "s"), Line("c", "s", breached_now=2), Line("d", "s")]
    assert shown(lines, 4) == (lines, 0)
    assert shown(lines, 3) == ([lines[0], lines[2]], 2)


# -- what Kafka says -------------------------------------------------------------------------------------------------------


def record(kind: str, sequence: int, **body: object) -> Record:
    whole = {"stage": "reply", "holder": 2, "deadline_version": 1, "breached_at": "2018-06-07T04:00:00Z"} | body
    topic = "amanah.deadlines"
    return Record(topic, 0, sequence, 0, kind, f"id-{sequence}", "sla_monitor", "c", sequence, whole)


def test_a_breach_counts_once_until_it_is_withdrawn() -> None:
    once = [record("deadline.breached.v1", 1), record("deadline.breached.v1", 1)]
    assert breaches(Evidence.of(once, books=Books())) == {("c", "reply", 2): MIDNIGHT}
    withdrawn = [*once, record("deadline.breach_withdrawn.v1", 2)]
    assert breaches(Evidence.of(withdrawn, books=Books())) == {}


@pytest.mark.parametrize("kind", ["deadline.at_risk.v1", "deadline.recalculated.v1", "escalation.raised.v1"])
def test_other_events_are_no_breaches(kind: str) -> None:
    others = [record(kind, 1), record("deadline.breached.v1", 2, threshold="half")]
    assert breaches(Evidence.of(others, books=Books())) == {}
