"""Calendars, rules and facts for the tests, built by hand so that they read the pack only where a test is about the pack."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from amanah_sla_monitor.domain.calendars import Calendar, Calendars, Holiday, HolidayKind
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.rules import Backdating, Bound, Rule, Term, Unit, rules, term

WITA = ZoneInfo("Asia/Makassar")
OFFICE = ((time(7, 30), time(16)),)
FRIDAY = ((time(7, 30), time(16, 30)),)
LEAVE = [(3, 18), (3, 20), (3, 23), (3, 24), (5, 15)]
NATIONAL = [(3, 19), (3, 21), (3, 22), (5, 14)]


def five_day(*, cuti_bersama_off: bool = True) -> Calendar:
    """Spring 2026 of South Kalimantan."""
    return Calendar(
        id="five-day",
        version="1",
        zone=WITA,
        week={**dict.fromkeys(range(4), OFFICE), 4: FRIDAY},
        holidays=(
            *(Holiday(date(2026, m, d), "leave", HolidayKind.CUTI_BERSAMA) for m, d in LEAVE),
            *(Holiday(date(2026, m, d), "holiday") for m, d in NATIONAL),
        ),
        cuti_bersama_off=cuti_bersama_off,
    )


FIVE_DAY = five_day()
SIX_DAY = Calendar("six-day", "1", WITA, {**dict.fromkeys(range(6), OFFICE)})
CALENDARS = Calendars({"five-day": FIVE_DAY, "six-day": SIX_DAY}, "five-day", {"six": "six-day"})


def at(text: str) -> datetime:
    """`2026-03-16 09:00` in South Kalimantan."""
    return datetime.fromisoformat(text).replace(tzinfo=WITA)


def working_days(n: int, **conventions: object) -> Term:
    return term(Unit.WORKING_DAY, n, **conventions)  # type: ignore[arg-type]


def rule(
    stage: str,
    counting: Term,
    *,
    bound: Bound = Bound.CITIZEN,
    starts: Iterable[str] = ("complaint.submitted",),
    stops: Iterable[str] = ("case.resolved",),
    **more: object,
) -> Rule:
    fields: dict[str, object] = {
        "id": stage,
        "version": "1",
        "stage": stage,
        "bound": bound,
        "term": counting,
        "starts": frozenset(starts),
        "stops": frozenset(stops),
        "valid_from": date.min,
        "law": "law",
        "verified": True,
    }
    return Rule(**(fields | more))  # type: ignore[arg-type]


GIVEN = rule("resolution", term(Unit.GIVEN, 0), id="given")
FIRST_REPLY = rule(
    "first_reply",
    working_days(5),
    bound=Bound.HOLDER,
    starts=["complaint.routed"],
    stops=["case.replied", "case.resolved"],
)
FORWARDING = rule("forwarding", working_days(3), stops=["complaint.routed"])
RESPONSE = rule("response", term(Unit.CALENDAR_DAY, 14), stops=["case.acknowledged", "case.replied", "case.resolved"])
RULES = rules(
    GIVEN, FORWARDING, FIRST_REPLY, RESPONSE, backdating=Backdating(frozenset({"counter"}), frozenset({"officer"}))
)


def submitted(
    when: datetime, *, given: datetime | None = None, claimed: datetime | None = None, channel: str = "web"
) -> Fact:
    return Fact(
        kind="complaint.submitted",
        source="intake",
        seq=1,
        occurred_at=claimed or when,
        received_at=when,
        channel=channel,
        category="roads",
        source_ref="A-1",
        given_due_at=given,
    )


def routed(when: datetime, agency: str = "dinas", assignment: int = 1) -> Fact:
    return Fact(
        "complaint.routed", "routing", assignment, when, when, actor="system", agency=agency, assignment=assignment
    )


def case(
    kind: str,
    when: datetime,
    agency: str = "dinas",
    *,
    seq: int = 1,
    claimed: datetime | None = None,
    actor: str = "agency",
) -> Fact:
    return Fact(f"case.{kind}", "casework", seq, claimed or when, when, actor=actor, agency=agency)


def minutes(n: int) -> timedelta:
    return timedelta(minutes=n)


EPOCH = datetime(2026, 3, 16, 1, tzinfo=UTC)
