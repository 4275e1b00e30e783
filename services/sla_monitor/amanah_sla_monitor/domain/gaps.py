"""Gaps: cases that no rule covers. A deadline that is missing can never be breached, so its absence is said aloud."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from amanah_sla_monitor.domain.calendars import Calendars
from amanah_sla_monitor.domain.clocks import Start, starts
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.rules import Rule, Rules, Unit


@dataclass(frozen=True, slots=True)
class Gap:
    """Whoever waits, or holds the case, and has no clock at all; unique by holder."""

    holder: int
    agency: str | None
    since: datetime
    """The earliest fact that might have started a clock."""
    stages: tuple[str, ...]
    reason: str


def gaps(facts: Iterable[Fact], rules: Rules, calendars: Calendars) -> tuple[Gap, ...]:
    """The citizen and each holder for whom something has begun that rules speak of, while no rule covers it. One stage
    without a rule is no gap beside another that has one: some stages are for some cases only."""
    begun: dict[int, list[Start]] = {}
    for start in starts(facts, rules, calendars):
        begun.setdefault(start.holder, []).append(start)
    return tuple(
        Gap(
            holder,
            each[0].agency,
            min(start.at for start in each),
            tuple(start.stage for start in each),
            "; ".join(_why_not(rule, start, calendars) for start in each for rule in start.candidates),
        )
        for holder, each in sorted(begun.items())
        if all(start.rule is None for start in each)
    )


def _why_not(rule: Rule, start: Start, calendars: Calendars) -> str:
    if rule.term.unit is Unit.GIVEN:
        return f"{rule.id}: the source promised no date"
    day = calendars.of(rule.calendar, start.agency if start.holder else None).local(start.at).date()
    if not rule.in_force(day):
        return f"{rule.id} version {rule.version} is not in force on {day}"
    return f"{rule.id} version {rule.version} does not cover the case"
