"""One answer of the calculator as a person reads it."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from amanah.explain.words import instant, length


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The date first, then how it was counted."""
    yield f"{found['rule']}: {length(found)}"
    yield f"  due       {instant(found['due_at']) if found['due_at'] else 'no date: the clock stands still'}"
    yield f"  started   {instant(found['start'])}"
    yield f"  law       {found['law']} ({'verified' if found['verified'] else 'unverified'})"
    yield f"  calendar  {found['calendar']} version {found['calendar_version']}"
    for warning in found["thresholds"]:
        if warning["at"]:
            yield f"  warning   {instant(warning['at'])}, {warning['name']}"
    for level in found["escalations"]:
        if level["at"]:
            yield f"  level {level['level']}   {instant(level['at'])}, {level['role']}"
    for note in found["notes"]:
        yield f"  note      {note}"
    yield "  days"
    for day in found["days"]:
        weekday = date.fromisoformat(day["date"]).strftime("%a")
        yield f"    {weekday} {day['date']}  {'counted' if day['counted'] else 'skipped'}  {day['reason']}"
