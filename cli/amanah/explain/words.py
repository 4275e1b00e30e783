"""A receipt as a person reads it, line by line."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from amanah.explain.recompute import Verdict
from amanah.fault import Fault

Receipt = Mapping[str, Any]


_UNITS = {"working_day": "working days", "calendar_day": "calendar days", "hour": "hours", "month": "months"}


def document(found: Mapping[str, Any]) -> Iterator[str]:
    """Every clock of a complaint."""
    yield f"Complaint {found['complaint']}, as of {instant(found['at'])}"
    if not found["clocks"]:
        yield "No deadline has started for it."
    for clock in found["clocks"]:
        yield ""
        yield from receipt(clock)


def receipt(clock: Receipt) -> Iterator[str]:
    """One clock: how it stands, by which law, and each day."""
    yield f"{clock['stage']}: {length(clock)}, {clock['state'].upper()}"
    for name, value in _fields(clock):
        yield f"  {name:<10}{value}"
    if clock["days"]:
        yield "  days"
        for day in clock["days"]:
            weekday = date.fromisoformat(day["date"]).strftime("%a")
            yield f"    {weekday} {day['date']}  {'counted' if day['counted'] else 'skipped'}  {day['reason']}"


def length(clock: Receipt) -> str:
    """`5 working days`."""
    if clock["unit"] == "given":
        return "a date promised by the source"
    words = _UNITS.get(str(clock["unit"]), str(clock["unit"]))
    return f"{clock['length']} {words[:-1] if clock['length'] == 1 else words}"


def _fields(clock: Receipt) -> Iterator[tuple[str, str]]:
    yield "due", instant(clock["due_at"]) if clock["due_at"] else "no date: the clock stands still"
    yield "started", instant(clock["start"])
    if clock["ended_at"]:
        yield "ended", f"{instant(clock['ended_at'])}, by {clock['ended_by']}"
    for start, end in clock["pauses"]:
        yield "paused", f"{instant(start)} to {instant(end) if end else 'now'}"
    yield "whose", _holder(clock)
    yield "rule", f"{clock['rule']} version {clock['version']}, deadline version {clock['deadline_version']}"
    yield "law", clock["law"]
    if clock["source"]:
        yield "source", clock["source"]
    if not clock["verified"]:
        yield "note", "unverified: nobody has read this rule in the law's own text yet"
    if clock["calendar"]:
        yield "calendar", f"{clock['calendar']} version {clock['calendar_version']}"
    yield from _ahead(clock)
    if clock["source_ref"]:
        yield "case", f"{clock['source_ref']} in the system it came from"


def _ahead(clock: Receipt) -> Iterator[tuple[str, str]]:
    """Warnings before the date, levels after it, and what is to be known of it."""
    for warning in clock["thresholds"]:
        if warning["at"]:
            yield "warning", f"{instant(warning['at'])}, {warning['name']}"
    for level in clock["escalations"]:
        if level["at"]:
            yield "level", f"{level['level']}: {instant(level['at'])}, {level['role']}"
    for note in clock["notes"]:
        yield "note", note


def _holder(clock: Receipt) -> str:
    agency = clock["agency"] or "no agency yet"
    return f"{agency}'s, by assignment {clock['holder']}" if clock["holder"] else f"the citizen's own; held by {agency}"


def verdicts(judged: Sequence[Verdict], pack: str) -> Iterator[str]:
    """Whether each receipt holds, and if not, where."""
    if not judged:
        yield "The receipt has no deadline in it."
    for verdict in judged:
        name = f"{verdict.stage}, assignment {verdict.holder}" if verdict.holder else verdict.stage
        if not verdict.faults:
            due = instant(verdict.due_at) if verdict.due_at else "no date while the clock stands still"
            yield f"{name}: holds. Counted again by pack {pack}: {due}"
            continue
        yield f"{name}: DOES NOT HOLD by pack {pack}"
        yield from (f"  {fault}" for fault in verdict.faults)


def parse(text: Any) -> datetime:
    """An instant of a document; Fault when it is none."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Fault(f"This is no receipt: {text!r} is no instant.") from None
    if at.tzinfo is None:
        raise Fault(f"This is no receipt: {text!r} has no offset.")
    return at


def instant(text: str) -> str:
    """`Fri 2026-03-27 00:00:00 +08:00`, in the zone that it is written in."""
    at = datetime.fromisoformat(text)
    return at.strftime("%a %Y-%m-%d %H:%M:%S ") + at.strftime("%z")[:3] + ":" + at.strftime("%z")[3:5]
