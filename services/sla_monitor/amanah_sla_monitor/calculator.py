"""The public calculator: a rule, a start, pauses; a date with its receipt. No complaint, no database.

It applies the pauses it is given, whatever the rule's own pause facts. `amanah due` and `GET /calculator` ask it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from amanah_sla_monitor.domain.calendars import SPAN, Calendar, OutOfCalendar
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Rule, Unit
from amanah_sla_monitor.pack import load_law as load
from amanah_sla_monitor.receipt import count

__all__ = ["Law", "Question", "Refused", "answer", "asked", "attempt", "instant", "load", "span"]


class Refused(ValueError):
    """A question without an answer: which argument, and why. It never repeats what was sent."""

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{argument}: {reason}")
        self.argument = argument
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the calculator."""

    rule: str
    start: datetime
    calendar: str | None = None
    pauses: tuple[Pause, ...] = ()
    extend: bool = False


# -- questions -----------------------------------------------------------------------------------------------------------


def asked(arguments: Any, pack: str) -> Question:
    """A question from a JSON value: `{rule, start, calendar, pauses: [[from, to], …], extend}`. Raises Refused."""
    if not isinstance(arguments, Mapping):
        raise Refused("question", "a JSON object is expected")
    for name in arguments:
        if name not in _ARGUMENTS:
            raise Refused("question", f"there is an unknown argument; there are {', '.join(_ARGUMENTS)}")
    if arguments.get("pack") not in (None, pack):
        raise Refused("pack", f"this is pack {pack}")
    pauses = arguments.get("pauses")
    if pauses is not None and not isinstance(pauses, list):
        raise Refused("pauses", "a list of [from, to] is expected")
    return Question(
        _text(arguments, "rule") or _missing("rule"),
        instant(arguments.get("start"), "start"),
        _text(arguments, "calendar"),
        tuple(_pause(pair, number) for number, pair in enumerate(pauses or (), 1)),
        _yes_or_no(arguments.get("extend")),
    )


_ARGUMENTS = ("pack", "rule", "start", "calendar", "pauses", "extend")


def _missing(argument: str) -> str:
    raise Refused(argument, "it is missing")


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused(name, "a text is expected")
    return value


def _yes_or_no(value: Any) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Refused("extend", "true or false is expected")
    return value


def _pause(pair: Any, number: int) -> Pause:
    argument = f"pauses.{number}"
    if not isinstance(pair, list) or len(pair) != 2:
        raise Refused(argument, "[from, to] is expected, with null as `to` of a pause that still stands")
    start = instant(pair[0], argument)
    end = None if pair[1] is None else instant(pair[1], argument)
    if end is not None and end < start:
        raise Refused(argument, "it ends before it begins")
    return Pause(start, end)


def span(text: str, argument: str) -> list[str | None]:
    """`FROM/TO` as a pause of `asked`; `FROM/` and `FROM/..` still stand."""
    start, slash, end = text.partition("/")
    if not slash:
        raise Refused(argument, "FROM/TO is expected, or FROM/ for a pause that still stands")
    return [start, None if end in ("", "..") else end]


def instant(text: Any, argument: str) -> datetime:
    """An instant with its offset, such as 2026-03-16T09:00:00+08:00."""
    if text is None:
        _missing(argument)
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Refused(argument, "an instant such as 2026-03-16T09:00:00+08:00 is expected") from None
    if at.tzinfo is None:
        raise Refused(argument, "the offset from UTC is missing, such as +08:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Refused(argument, "it lies beyond all calendars") from None


# -- answers -------------------------------------------------------------------------------------------------------------


def answer(question: Question, law: Law) -> dict[str, Any]:
    """The date and its receipt. Raises Refused."""
    named = _named(question.calendar, law)
    try:
        rule, calendar = _rule(question, law, named)
        if not SPAN[0] <= calendar.local(question.start).date() <= SPAN[1]:
            raise Refused("start", f"calendars tell of {SPAN[0]} to {SPAN[1]} only")
        extension = _extension(question, rule)
        ends = due(rule.term, calendar, question.start, question.pauses, extension)
        return count(rule, calendar, question.start, ends, question.pauses, extension)
    except (OutOfCalendar, OverflowError) as beyond:
        words = str(beyond) if isinstance(beyond, OutOfCalendar) else "a date lies beyond all calendars"
        raise Refused("question", words) from None


def attempt(produce: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was produced, or `{error}`."""
    try:
        return produce()
    except Refused as refused:
        return {"error": str(refused)}


def _named(name: str | None, law: Law) -> Calendar | None:
    if name is None:
        return None
    calendar = law.calendars.by_id.get(name)
    if calendar is None:
        raise Refused("calendar", f"pack {law.pack} has no such calendar; there are {', '.join(law.calendars.by_id)}")
    return calendar


def _rule(question: Question, law: Law, calendar: Calendar | None) -> tuple[Rule, Calendar]:
    """The version in force on the day of the start, else the newest, which the receipt then says; and its calendar."""
    if unknown := law.rules.unknown.get(question.rule):
        raise Refused("rule", f"nobody can count by {unknown.id} ({unknown.law}): {unknown.why}")
    newest = law.rules.find(question.rule)
    if newest is None:
        known = ", ".join(dict.fromkeys(rule.id for rule in law.rules))
        raise Refused("rule", f"pack {law.pack} has no such rule; there are {known}")
    if newest.term.unit is Unit.GIVEN:
        raise Refused("rule", f"by {newest.id} the source promises a date; there is nothing to count")
    used = calendar or law.calendars.of(newest.calendar, None)
    rule = law.rules.find(question.rule, used.local(question.start).date()) or newest
    return rule, calendar or law.calendars.of(rule.calendar, None)


def _extension(question: Question, rule: Rule) -> int:
    if not question.extend:
        return 0
    if rule.extension is None:
        raise Refused("extend", f"rule {rule.id} knows no extension")
    return rule.extension.length
