"""What a log makes happen, and in which order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah.replay.agenda import Instant, agenda, chunks, kills
from amanah.replay.log import Row

SERVICES = ("intake", "routing", "casework", "sla_monitor", "notifier")


def at(hour: int) -> datetime:
    return datetime(2018, 6, 26, tzinfo=UTC) + timedelta(hours=hour)


def row(name: str, created: int, closed: int | None = None, due: int | None = None) -> Row:
    return Row(
        line=2,
        source_id=name,
        created=at(created),
        closed=None if closed is None else at(closed),
        due=None if due is None else at(due),
        agency=None,
        category="Noise",
        narrative="Loud",
        region=None,
    )


def told(instants: list[Instant]) -> list[tuple[int, str, str, int]]:
    """(hour, filings, closings, unmet) of each."""
    return [
        (
            int((i.at - at(0)).total_seconds() // 3600),
            "".join(r.source_id for r in i.filings),
            "".join(r.source_id for r in i.closings),
            i.unmet,
        )
        for i in instants
    ]


def test_instants_come_in_order_and_hold_everything_that_happens_at_them() -> None:
    rows = [row("b", 5, closed=7, due=6), row("a", 1, closed=5, due=5), row("c", 5)]
    assert told(agenda(rows)) == [
        (1, "a", "", 0),
        (5, "bc", "a", 0),  # closed at its very due instant: met, so nothing falls due unmet
        (6, "", "", 1),
        (7, "", "b", 0),
    ]


def test_a_closing_before_its_filing_is_played_after_it_and_breaches() -> None:
    assert told(agenda([row("a", 5, closed=2, due=9)])) == [(2, "", "", 0), (5, "a", "a", 0), (9, "", "", 1)]


def test_a_deadline_before_its_filing_falls_at_the_filing() -> None:
    assert told(agenda([row("a", 5, closed=6, due=2)])) == [(2, "", "", 0), (5, "a", "", 1), (6, "", "a", 0)]


def test_filed_closed_and_due_at_one_instant_is_met() -> None:
    assert told(agenda([row("a", 5, closed=5, due=5)])) == [(5, "a", "a", 0)]


def test_the_clock_begins_where_something_happens() -> None:
    """A closing dated 1900 is claimed at its filing: the clock need not begin a century early."""
    assert told(list(chunks(agenda([row("a", 5, closed=-1000)])))) == [(5, "a", "a", 0)]


hours = st.integers(0, 12)
rows_of_a_log = st.lists(st.tuples(hours, st.none() | hours, st.none() | hours), max_size=30).map(
    lambda dates: [row(str(n), *of) for n, of in enumerate(dates)]
)


@given(rows=rows_of_a_log)
def test_everything_happens_once_and_no_closing_before_its_filing(rows: list[Row]) -> None:
    instants = agenda(rows)
    assert [i.at for i in instants] == sorted({i.at for i in instants})
    filed: set[str] = set()
    closed: list[str] = []
    for instant in instants:
        filed |= {r.source_id for r in instant.filings}
        assert {r.source_id for r in instant.closings} <= filed
        closed += [r.source_id for r in instant.closings]
    assert sorted(filed) == sorted(r.source_id for r in rows)
    assert sorted(closed) == sorted(r.source_id for r in rows if r.closed)
    assert sum(i.unmet for i in instants) == sum(bool(r.due) and not r.met for r in rows)
    assert {i.at for i in instants} == {t for r in rows for t in (r.created, r.closed, r.due) if t} | {
        max(r.created, t) for r in rows for t in (r.closed, r.due) if t
    }


@given(rows=rows_of_a_log)
def test_what_is_left_out_is_idle(rows: list[Row]) -> None:
    kept = list(chunks(agenda(rows)))
    assert all(i in kept or not (i.filings or i.closings or i.unmet) for i in agenda(rows))


@pytest.mark.parametrize(("times", "instants"), [(10, 1900), (1, 2), (2, 40), (3, 1)])
def test_every_service_is_killed_as_often_as_asked_for(times: int, instants: int) -> None:
    schedule = kills(SERVICES, times, instants)
    killed = [service for index in sorted(schedule) for service in schedule[index]]
    assert {service: killed.count(service) for service in SERVICES} == dict.fromkeys(SERVICES, times)
    assert set(schedule) <= set(range(instants))


def test_kills_are_spread_evenly_and_in_turn() -> None:
    schedule = kills(("a", "b"), 2, 50)
    assert dict(schedule) == {10: ["a"], 20: ["b"], 30: ["a"], 40: ["b"]}
