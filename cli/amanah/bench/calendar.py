"""The n-th working day: our numbered calendar against the day-by-day loop of the `holidays` library.

Both count the same days from the same starts: every day of 2026 by the length of every rule of the
pack that counts working days. Before anything is timed
the two are compared, so that a fast wrong answer is no figure.
"""

import gc
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import holidays

from amanah.bench.lines import Line, line
from amanah.fault import Fault
from amanah_sla_monitor.calculator import load
from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.rules import Unit

Question = tuple[date, int]
YEAR = 2026


def calendar(pack: Path, rounds: int) -> Line:
    """Answers per second of each. Fault when they do not answer alike."""
    law = load(pack)
    ours = law.calendars.by_id["five-day"]
    lengths = sorted(rule.term.length for rule in law.rules if rule.term.unit is Unit.WORKING_DAY)
    theirs = holidays.country_holidays("ID", years=range(YEAR - 1, YEAR + 3), categories=("public", "government"))
    first = date(YEAR, 1, 1)
    questions = [(first + timedelta(days=day), n) for day in range(365) for n in lengths]
    differing = [q for q in questions if ours.working_day_after(*q) != theirs.get_nth_working_day(*q)]
    if differing:
        raise Fault(f"The calendar and the library differ on {len(differing)} days, the first for {differing[0]}.")
    mine, bare = [], []
    for _ in range(rounds):
        mine.append(_rate(ours.working_day_after, questions * 20))
        bare.append(_rate(theirs.get_nth_working_day, questions))
    return line("calendar", "days/s", mine, bare, built_ms=_built_ms(ours), questions=len(questions))


def _rate(nth: Callable[[date, int], date], questions: Sequence[Question]) -> float:
    gc.collect()
    begun = perf_counter()
    for day, n in questions:
        nth(day, n)
    return len(questions) / (perf_counter() - begun)


def _built_ms(calendar: Calendar) -> float:
    """What numbering the days costs, once a process."""
    fresh = Calendar(calendar.id, calendar.version, calendar.zone, calendar.week, calendar.holidays)
    begun = perf_counter()
    fresh.working_day_after(date(YEAR, 1, 1), 1)
    return round((perf_counter() - begun) * 1000, 1)
