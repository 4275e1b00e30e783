"""What a log makes happen, instant by instant. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from amanah.replay.log import Row


@dataclass(slots=True)
class Instant:
    """All that happens at one instant, in this order: filings, closings, then what falls due unmet."""

    at: datetime
    filings: list[Row] = field(default_factory=list)
    closings: list[Row] = field(default_factory=list)
    unmet: int = 0


def agenda(rows: Iterable[Row]) -> list[Instant]:
    """The instants that the log names, in order. A closing dated before its filing cannot be played at its own time, since
    there is nothing to close yet: it is played right after the filing, claiming its own time, and will be refused."""
    instants: dict[datetime, Instant] = {}

    def at(time: datetime) -> Instant:
        return instants.setdefault(time, Instant(time))

    for row in rows:
        at(row.created).filings.append(row)
        if row.closed is not None:
            at(row.closed)
            at(max(row.closed, row.created)).closings.append(row)
        if row.due is not None:
            at(row.due)
            at(max(row.due, row.created)).unmet += not row.met
    return [instants[time] for time in sorted(instants)]


def kills(services: Iterable[str], times: int, instants: int) -> dict[int, list[str]]:
    """Spreads `times` kills of each service evenly over the instants: index of the instant to the services killed there."""
    order = [service for _ in range(times) for service in services]
    schedule: dict[int, list[str]] = defaultdict(list)
    for number, service in enumerate(order):
        schedule[(number + 1) * instants // (len(order) + 1)].append(service)
    return schedule


def chunks(instants: Iterable[Instant]) -> Iterator[Instant]:
    """Only those instants at which somebody does something or something falls due."""
    return (instant for instant in instants if instant.filings or instant.closings or instant.unmet)
