"""Ages: how long a citizen has waited, and who held the case meanwhile.

Gross is what has passed, whatever stood still: pauses never shorten what the Ombudsman is shown. Net is without the time
paused. Both are kept, so that pausing cannot hide lateness.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from amanah_sla_monitor.domain.cases import holdings
from amanah_sla_monitor.domain.clocks import Clock
from amanah_sla_monitor.domain.counting import Pause, merged
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.rules import Backdating


@dataclass(frozen=True, slots=True)
class Age:
    """Elapsed time."""

    gross: timedelta
    net: timedelta


@dataclass(frozen=True, slots=True)
class Held:
    """How long one agency held the case, by one assignment."""

    assignment: int
    agency: str | None
    since: datetime
    until: datetime | None
    """None: it still does."""
    time: timedelta


def age(clock: Clock, now: datetime) -> Age:
    """How old a clock is: until it ended, or `now`. A clock that was breached and is not answered yet grows older."""
    return elapsed(clock.started_at, min(clock.ended_at or now, now), clock.pauses)


def elapsed(start: datetime, end: datetime, pauses: Sequence[Pause] = ()) -> Age:
    """The time from start to end, with and without the pauses between. In UTC, so that a change of the clocks adds or takes
    nothing."""
    begin, until = start.astimezone(UTC), max(start.astimezone(UTC), end.astimezone(UTC))
    gross = until - begin
    stood = timedelta()
    for pause in merged(pauses):
        stood += max(min(pause.end or until, until) - max(pause.start, begin), timedelta())
    return Age(gross, gross - stood)


def charged(facts: Iterable[Fact], backdating: Backdating, until: datetime) -> tuple[Held, ...]:
    """The time until `until`, charged to who held the case: each assignment from its beginning to the next one's."""
    return tuple(
        Held(h.assignment, h.agency, h.since, h.until, max(min(h.until or until, until) - h.since, timedelta()))
        for h in holdings(facts, backdating)
    )
