"""Counting: tables of cases. A due instant is the end of the last counted day, the local midnight, unless said otherwise."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from tests.unit.sla_monitor.cases import FIVE_DAY, OFFICE, SIX_DAY, WITA, at, five_day, working_days

from amanah_sla_monitor.domain.calendars import Calendar, OutOfCalendar, Override, Season
from amanah_sla_monitor.domain.counting import Pause, due, merged
from amanah_sla_monitor.domain.explanation import explain
from amanah_sla_monitor.domain.rules import CutOff, DueAt, Roll, Term, Unit, term
from amanah_sla_monitor.domain.thresholds import threshold


def last_day(
    t: Term, calendar: Calendar, start: str, pauses: list[tuple[str, str | None]] | None = None, ext: int = 0
) -> str:
    spans = [Pause(at(a), at(b) if b else None) for a, b in pauses or []]
    instant = due(t, calendar, at(start), spans, ext)
    if instant is None:
        return "never"
    local = instant.astimezone(WITA)
    assert local.time() == time(0), "end of day is the next local midnight, exclusive"
    return (local.date() - timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("start", "cuti_bersama_off", "expected"),
    [
        ("2026-03-16 09:00", True, "2026-03-30"),
        ("2026-03-16 09:00", False, "2026-03-24"),
        ("2026-05-13 09:00", True, "2026-05-22"),
        ("2026-05-13 09:00", False, "2026-05-21"),
    ],
)
def test_five_working_days_over_cuti_bersama(start: str, cuti_bersama_off: bool, expected: str) -> None:
    assert last_day(working_days(5), five_day(cuti_bersama_off=cuti_bersama_off), start) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-06-01 00:00", "2026-06-02"),  # Monday, before opening: Monday's
        ("2026-06-01 15:59", "2026-06-02"),
        ("2026-06-01 16:00", "2026-06-03"),  # at closing: Tuesday's, so Wednesday is day 1
        ("2026-06-05 16:29", "2026-06-08"),  # Friday closes half an hour later
        ("2026-06-05 16:30", "2026-06-09"),
        ("2026-06-06 10:00", "2026-06-09"),  # Saturday belongs to Monday
        ("2026-06-07 23:59", "2026-06-09"),
    ],
)
def test_a_start_after_closing_or_on_a_day_off_belongs_to_the_next_working_day(start: str, expected: str) -> None:
    assert last_day(working_days(1), FIVE_DAY, start) == expected


def test_conventions_of_the_start_belong_to_the_rule() -> None:
    assert last_day(working_days(1, cut_off=CutOff.NONE), FIVE_DAY, "2026-06-01 23:00") == "2026-06-02"
    assert last_day(working_days(1, cut_off=time(12)), FIVE_DAY, "2026-06-01 12:00") == "2026-06-03"
    assert last_day(working_days(1, day_off_start_moves=False), FIVE_DAY, "2026-06-06 10:00") == "2026-06-08"
    assert last_day(working_days(1, start_day_counts=True), FIVE_DAY, "2026-06-01 10:00") == "2026-06-01"


def test_the_day_of_a_deadline_is_the_local_day() -> None:
    """23:30 WITA on 31 December is 15:30 UTC; the UTC day would be another."""
    start = datetime(2026, 12, 31, 15, 30, tzinfo=UTC)
    one = term(Unit.CALENDAR_DAY, 1)
    assert due(one, FIVE_DAY, start) == datetime(2027, 1, 1, 16, 0, tzinfo=UTC)


def test_saturday_counts_in_a_six_day_office_only() -> None:
    assert last_day(working_days(5), SIX_DAY, "2026-06-01 09:00") == "2026-06-06"
    assert last_day(working_days(5), FIVE_DAY, "2026-06-01 09:00") == "2026-06-08"


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([("2026-06-03 10:00", "2026-06-03 15:00")], "2026-06-05"),  # within one day: nothing
        ([("2026-06-03 10:00", "2026-06-04 09:00")], "2026-06-08"),  # stood at the end of Wednesday
        ([("2026-06-03 10:00", "2026-06-05 09:00"), ("2026-06-04 10:00", "2026-06-05 15:00")], "2026-06-09"),  # overlap
        ([("2026-06-03 10:00", "2026-06-04 09:00"), ("2026-06-04 10:00", "2026-06-05 09:00")], "2026-06-09"),
        ([("2026-06-05 17:00", "2026-06-08 09:00")], "2026-06-08"),  # over a weekend: only Friday, once
        ([("2026-06-05 23:59", "2026-06-09 08:00")], "2026-06-09"),  # in the last hour of the last day
        ([("2026-06-05 10:00", None)], "never"),
        ([("2026-06-06 00:00", None)], "2026-06-05"),  # begins at the due instant: too late to matter
        ([("2026-06-06 10:00", "2026-06-20 10:00")], "2026-06-05"),
        ([("2026-05-20 10:00", "2026-06-01 08:00")], "2026-06-05"),  # over before counting began
        ([("2026-05-20 10:00", "2026-06-03 08:00")], "2026-06-08"),  # Tuesday excluded
        ([("2026-06-04 10:00", "2026-06-03 10:00")], "2026-06-05"),  # backward: no pause
    ],
)
def test_pauses_exclude_the_days_at_whose_end_the_clock_stands(
    pauses: list[tuple[str, str | None]], expected: str
) -> None:
    assert last_day(working_days(4), FIVE_DAY, "2026-06-01 09:00", pauses) == expected


@pytest.mark.parametrize(
    ("budget", "expected"),
    [(0, "2026-06-05"), (1, "2026-06-08"), (2, "2026-06-09"), (3, "2026-06-10"), (9, "2026-06-10")],
)
def test_a_budget_limits_the_days_that_pauses_exclude(budget: int, expected: str) -> None:
    pauses: list[tuple[str, str | None]] = [
        ("2026-06-02 10:00", "2026-06-04 10:00"),
        ("2026-06-05 10:00", "2026-06-08 10:00"),
    ]
    assert last_day(working_days(4, pause_budget=budget), FIVE_DAY, "2026-06-01 09:00", pauses) == expected


def test_an_open_pause_cannot_hold_the_clock_beyond_its_budget() -> None:
    assert (
        last_day(working_days(4, pause_budget=2), FIVE_DAY, "2026-06-01 09:00", [("2026-06-03 10:00", None)])
        == "2026-06-09"
    )


def test_an_extension_adds_to_the_count() -> None:
    assert last_day(working_days(10), FIVE_DAY, "2026-06-01 09:00", ext=7) == last_day(
        working_days(17), FIVE_DAY, "2026-06-01 09:00"
    )


def test_close_of_business() -> None:
    t = working_days(4, due_at=DueAt.CLOSE_OF_BUSINESS)
    assert due(t, FIVE_DAY, at("2026-06-01 09:00")) == at("2026-06-05 16:30")
    late = [Pause(at("2026-06-05 16:31"), at("2026-06-09 09:00"))]
    assert due(t, FIVE_DAY, at("2026-06-01 09:00"), late) == at("2026-06-05 16:30"), "begins after the due instant"
    early = [Pause(at("2026-06-05 16:29"), at("2026-06-09 09:00"))]
    assert due(t, FIVE_DAY, at("2026-06-01 09:00"), early) == at("2026-06-09 16:00")


def test_calendar_days_know_no_closing_time_and_roll_only_where_the_rule_says_so() -> None:
    assert last_day(term(Unit.CALENDAR_DAY, 5), FIVE_DAY, "2026-06-01 23:59") == "2026-06-06"
    assert (
        last_day(term(Unit.CALENDAR_DAY, 5, roll=Roll.NEXT_WORKING_DAY), FIVE_DAY, "2026-06-01 23:59") == "2026-06-08"
    )
    assert (
        last_day(term(Unit.CALENDAR_DAY, 4, roll=Roll.NEXT_WORKING_DAY), FIVE_DAY, "2026-06-01 23:59") == "2026-06-05"
    )


def test_hours_run_through_nights_and_holidays_and_move_by_the_exact_pause() -> None:
    t = term(Unit.HOUR, 72)
    start = at("2026-03-19 10:00")
    assert due(t, FIVE_DAY, start) == start + timedelta(hours=72)
    pauses = [Pause(start + timedelta(hours=1), start + timedelta(hours=1, minutes=7))]
    assert due(t, FIVE_DAY, start, pauses) == start + timedelta(hours=72, minutes=7)
    assert due(t, FIVE_DAY, start, [Pause(start + timedelta(hours=71), None)]) is None
    assert due(t, FIVE_DAY, start, [Pause(start + timedelta(hours=73), None)]) == start + timedelta(hours=72)
    before = [Pause(start - timedelta(hours=5), start + timedelta(hours=2))]
    assert due(t, FIVE_DAY, start, before) == start + timedelta(hours=74)


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2026-01-31 10:00", 1, "2026-02-28"),
        ("2026-11-30 10:00", 3, "2027-02-28"),
        ("2026-03-15 10:00", 24, "2028-03-15"),
    ],
)
def test_months_end_on_the_same_day_clipped(start: str, months: int, expected: str) -> None:
    pauses: list[tuple[str, str | None]] = [(start, None)]
    assert last_day(term(Unit.MONTH, months), FIVE_DAY, start) == expected
    assert last_day(term(Unit.MONTH, months), FIVE_DAY, start, pauses) == expected, "months know no pause"


@pytest.mark.parametrize("n", [25, 49, 50, 365, 10_000])
def test_long_terms_have_a_deadline(n: int) -> None:
    assert last_day(term(Unit.CALENDAR_DAY, n), FIVE_DAY, "2026-06-01 09:00") == str(
        date(2026, 6, 1) + timedelta(days=n)
    )


@pytest.mark.parametrize(
    "t", [working_days(10**9), term(Unit.CALENDAR_DAY, 10**9), term(Unit.HOUR, 10**12), term(Unit.MONTH, 10**9)]
)
def test_a_term_beyond_all_calendars_is_refused_aloud(t: Term) -> None:
    with pytest.raises(OutOfCalendar):
        due(t, FIVE_DAY, at("2026-06-01 09:00"))


def test_local_decrees_and_seasons() -> None:
    ramadan = Season(date(2026, 2, 18), date(2026, 3, 20), "Ramadan", dict.fromkeys(range(5), ((time(8), time(15)),)))
    calendar = Calendar(
        "local",
        "2",
        WITA,
        dict.fromkeys(range(5), OFFICE),
        overrides=(
            Override(date(2026, 6, 2), "flood", (), "Bupati 7/2026"),
            Override(date(2026, 6, 6), "moved day", OFFICE, "Bupati 8/2026"),
            Override(date(2026, 6, 4), "half day", ((time(7, 30), time(11)),), "Bupati 9/2026"),
        ),
        seasons=(ramadan,),
    )
    assert last_day(working_days(5), calendar, "2026-06-01 09:00") == "2026-06-08"
    assert last_day(working_days(1), calendar, "2026-06-04 11:00") == "2026-06-06", "the half day closes at eleven"
    assert last_day(working_days(1), calendar, "2026-03-03 15:00") == "2026-03-05", "Ramadan hours close at three"
    reasons = {d.day: d.reason for d in explain(working_days(5), calendar, at("2026-06-01 09:00"))}
    assert reasons[date(2026, 6, 2)] == "closed: flood (Bupati 7/2026)"
    assert reasons[date(2026, 6, 6)] == "day 4"


def test_the_explanation_counts_what_the_deadline_counts() -> None:
    pauses = [Pause(at("2026-06-03 10:00"), at("2026-06-04 09:00"))]
    days = explain(working_days(4), FIVE_DAY, at("2026-05-30 09:00"), pauses)
    assert [(d.day.day, d.reason) for d in days if not d.counted] == [
        (30, "received on a day off, belongs to the next working day; weekly day off (Saturday)"),
        (31, "weekly day off (Sunday)"),
        (1, "start day: counting begins the day after"),
        (3, "paused at the end of the day"),
        (6, "weekly day off (Saturday)"),
        (7, "weekly day off (Sunday)"),
    ]
    assert [d.day.day for d in days if d.counted] == [2, 4, 5, 8]
    held = explain(working_days(4), FIVE_DAY, at("2026-06-01 09:00"), [Pause(at("2026-06-04 10:00"), None)])
    assert [d.day.day for d in held if d.counted] == [2, 3]


@pytest.mark.parametrize(
    ("t", "percent", "expected"),
    [
        (working_days(5), 50, "2026-06-04 07:30"),  # day ceil(2.5) = 3
        (working_days(5), 80, "2026-06-05 07:30"),
        (working_days(5), None, "2026-06-08 07:30"),
        (term(Unit.CALENDAR_DAY, 14), 35, "2026-06-08 07:30"),  # day 5 is a Saturday: said on Monday
        (term(Unit.CALENDAR_DAY, 5), None, "2026-06-05 07:30"),  # the last day is a Saturday: said on Friday
    ],
)
def test_warnings_are_said_at_the_opening_of_office_hours(t: Term, percent: int | None, expected: str) -> None:
    assert threshold(t, FIVE_DAY, at("2026-06-01 09:00"), percent) == at(expected)


def test_a_warning_of_hours_is_never_said_at_night() -> None:
    assert threshold(term(Unit.HOUR, 72), FIVE_DAY, at("2026-06-01 23:00"), 50) == at("2026-06-03 11:00")
    assert threshold(term(Unit.HOUR, 72), FIVE_DAY, at("2026-06-01 23:00"), 80) == at("2026-06-04 08:36")
    assert threshold(term(Unit.HOUR, 72), FIVE_DAY, at("2026-06-01 09:00"), 90) == at("2026-06-04 07:30"), (
        "01:48 is night"
    )


def test_merged_pauses() -> None:
    a, b, c, d = (at(f"2026-06-0{n} 09:00") for n in (1, 2, 3, 4))
    assert merged([Pause(c, d), Pause(a, b)]) == [Pause(a, b), Pause(c, d)]
    assert merged([Pause(a, c), Pause(b, d), Pause(b, b)]) == [Pause(a, d)]
    assert merged([Pause(b, None), Pause(a, c), Pause(d, d)]) == [Pause(a, None)]


def test_a_change_of_the_clocks_does_not_move_midnight() -> None:
    from zoneinfo import ZoneInfo

    new_york = Calendar("ny", "1", ZoneInfo("America/New_York"), dict.fromkeys(range(5), OFFICE))
    start = datetime(2018, 3, 9, 10, tzinfo=ZoneInfo("America/New_York"))
    assert due(working_days(1), new_york, start) == datetime(2018, 3, 13, 4, tzinfo=UTC), "EDT by then"
    assert due(term(Unit.HOUR, 48), new_york, start) == datetime(2018, 3, 11, 15, tzinfo=UTC)
