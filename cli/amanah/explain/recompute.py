"""Whether a saved receipt holds: its date is counted again by the rule, the calendar and the facts that it names.

Nothing is asked of a running system: the law is the pack's data, the counting is the monitor's own pure domain.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from amanah.fault import Fault
from amanah_chassis.errors import Misconfigured
from amanah_sla_monitor import calculator
from amanah_sla_monitor.calculator import Law
from amanah_sla_monitor.domain.calendars import Calendar, OutOfCalendar
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.rules import Rule, Unit
from amanah_sla_monitor.receipt import count

Receipt = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One clock's receipt, judged. `faults`: each in a sentence; none when it holds."""

    stage: str
    holder: int
    due_at: str | None
    """As counted again."""
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.faults


def load(pack: Path) -> Law:
    """The law of a pack. Fault when it cannot be read."""
    try:
        return calculator.load(pack)
    except Misconfigured as wrong:
        raise Fault(str(wrong)) from None


def judge(receipt: Receipt, law: Law, at: datetime | None) -> Verdict:
    """Counts one receipt again. `at`: the instant that its state is of. Fault when it is no receipt at all."""
    try:
        return _judge(receipt, law, at)
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise Fault(f"This is no receipt of a deadline: {type(broken).__name__}: {broken}") from None


def _judge(receipt: Receipt, law: Law, at: datetime | None) -> Verdict:
    stage, holder = str(receipt["stage"]), int(receipt["holder"])
    rule = next((r for r in law.rules if (r.id, r.version) == (receipt["rule"], receipt["version"])), None)
    if rule is None:
        missing = f"pack {law.pack} has no rule {receipt['rule']} version {receipt['version']}"
        return Verdict(stage, holder, None, (missing,))
    calendar, fault = _calendar(receipt, rule, law)
    if fault:
        return Verdict(stage, holder, None, (fault,))
    try:
        expected = _count(receipt, rule, calendar)
    except OutOfCalendar as beyond:
        return Verdict(stage, holder, None, (str(beyond),))
    faults = [*_differences(receipt, expected), *_extension_faults(receipt, rule), *_state_faults(receipt, at)]
    return Verdict(stage, holder, expected["due_at"], tuple(faults))


def _calendar(receipt: Receipt, rule: Rule, law: Law) -> tuple[Calendar | None, str]:
    """The calendar that the receipt names, in the very version; or why there is none."""
    name, version = receipt["calendar"], receipt["calendar_version"]
    if rule.term.unit is Unit.GIVEN:
        return None, "" if name is None else f"rule {rule.id} counts no days, yet the receipt names a calendar"
    known = law.calendars.by_id.get(name)
    if known is None or known.version != version:
        return None, f"pack {law.pack} has no calendar {name} version {version}"
    return known, ""


def _count(receipt: Receipt, rule: Rule, calendar: Calendar | None) -> dict[str, Any]:
    start = datetime.fromisoformat(receipt["start"])
    pauses = [Pause(datetime.fromisoformat(a), datetime.fromisoformat(b) if b else None) for a, b in receipt["pauses"]]
    extension = int(receipt["length"]) - rule.term.length
    if rule.term.unit is Unit.GIVEN:
        # The source's own promise: there is nothing to count.
        ends = datetime.fromisoformat(receipt["due_at"])
        return count(rule, None, start, ends)
    assert calendar is not None, "whatever is counted has a calendar"
    ends_at = due(rule.term, calendar, start, pauses, extension)
    return count(rule, calendar, start, ends_at, pauses, extension)


def _differences(receipt: Receipt, expected: Mapping[str, Any]) -> Iterator[str]:
    for field, wanted in expected.items():
        stated = receipt[field]
        if stated == wanted or (field in ("start", "due_at") and _same_instant(stated, wanted)):
            continue
        if field == "days":
            yield from _day_differences(stated, wanted)
        else:
            yield f"{field}: the receipt says {stated}, the law gives {wanted}"


def _same_instant(one: str | None, other: str | None) -> bool:
    """In whatever zone each is written."""
    return bool(one and other) and datetime.fromisoformat(str(one)) == datetime.fromisoformat(str(other))


def _day_differences(stated: list[Receipt], counted: list[Receipt]) -> Iterator[str]:
    told = {day["date"]: (day["counted"], day["reason"]) for day in stated}
    true = {day["date"]: (day["counted"], day["reason"]) for day in counted}
    for day in sorted(told.keys() | true.keys()):
        if told.get(day) != true.get(day):
            yield f"{day}: the receipt says {_of_day(told.get(day))}, the law gives {_of_day(true.get(day))}"


def _of_day(day: tuple[bool, str] | None) -> str:
    return "nothing" if day is None else f"{'counted' if day[0] else 'skipped'}, {day[1]}"


def _extension_faults(receipt: Receipt, rule: Rule) -> Iterator[str]:
    extension = int(receipt["length"]) - rule.term.length
    allowed = {0, rule.extension.length} if rule.extension else {0}
    if extension not in allowed:
        yield f"length: rule {rule.id} gives {rule.term.length} and allows no extension by {extension}"


def _state_faults(receipt: Receipt, at: datetime | None) -> Iterator[str]:
    """Whether the outcome fits the instants: in time is not after the due instant."""
    state = receipt["state"]
    ends = datetime.fromisoformat(receipt["due_at"]) if receipt["due_at"] else None
    ended = datetime.fromisoformat(receipt["ended_at"]) if receipt["ended_at"] else None
    in_time = ended is not None and (ends is None or ended <= ends)
    if state in ("met", "cancelled") and not in_time:
        yield f"state: it cannot be {state}, for nothing ended it by the due instant"
    if state == "breached" and (in_time or ends is None or (at is not None and at < ends)):
        yield "state: it cannot be breached, for the due instant had not passed unmet"
    if state in ("running", "paused") and at is not None and ends is not None and at >= ends:
        yield f"state: it cannot be {state}, for the due instant had passed"
