"""`amanah bench`: figures beside a bare loop of the same run, one JSON object a line on stdout."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from amanah.bench.lines import Line
    from amanah.embedded.stack import Options, Stack
    from amanah.progress import Progress

app = cyclopts.App(name="bench", help="Measure, as a ratio against a bare hand-written loop in the same run.")

Json = Annotated[bool, Parameter(name="--json", negative="", help="JSON lines only, without the words for a person.")]


@app.command
def consume(*, events: int = 100_000, rounds: int = 3, json: Json = False) -> None:
    """One consumer with its database effects: events per second.

    Parameters
    ----------
    events
        How many events each round applies.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.consume import consume as measure

    _run(lambda stack, progress: _one(measure(stack, events, rounds, progress)), quiet=json)


@app.command
def burst(*, deadlines: int = 100_000, rounds: int = 3, json: Json = False) -> None:
    """Deadlines due at one instant: breaches per second from that instant to the last breach event in Kafka.

    Parameters
    ----------
    deadlines
        How many fall due at the instant.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.burst import burst as measure

    _run(lambda stack, progress: _one(measure(stack, deadlines, rounds, progress)), ("sla_monitor",), quiet=json)


@app.command
def idle(*, ten_million: bool = False, deadlines: int = 300, rounds: int = 5, json: Json = False) -> None:
    """Single deadlines while 10,000, then 1,000,000 clocks are open: p99 of ms from each instant to its event in Kafka.

    Parameters
    ----------
    ten_million
        Then 10,000,000 as well: some minutes and 3 GB of disk more.
    deadlines
        How many fall due in each round, one by one.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.idle import LARGEST, SIZES
    from amanah.bench.idle import idle as measure

    sizes = (*SIZES, LARGEST) if ten_million else SIZES
    _run(
        lambda stack, progress: measure(stack, sizes, deadlines, rounds, progress),
        ("sla_monitor",),
        start=False,
        quiet=json,
    )


@app.command
def recalculate(*, clocks: int = 1_000_000, json: Json = False) -> None:
    """A new holiday over 1,000,000 open clocks: clocks per second, and how late single deadlines are said meanwhile.

    Parameters
    ----------
    clocks
        How many are open, two of each case.
    """
    from amanah.bench.recalculate import recalculate as measure

    _run(
        lambda stack, progress: _one(measure(stack, clocks, progress)),
        ("sla_monitor",),
        pack="id",
        start=False,
        quiet=json,
    )


@app.command
def calendar(*, rounds: int = 5, json: Json = False) -> None:
    """The n-th working day: answers per second, beside the loop of the `holidays` library. Needs no servers.

    Parameters
    ----------
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.calendar import calendar as measure

    _say(measure(project.pack("id"), rounds), quiet=json)


def _run(
    measure: "Callable[[Stack, Progress], AsyncIterator[Line]]",
    services: Sequence[str] = (),
    *,
    pack: str = "nyc311",
    start: bool = True,
    quiet: bool,
) -> None:
    """On servers of its own, with these services, in a directory that is deleted afterwards; `start=False`: the bench starts
    them itself. Says each line that was measured, also when what came after it failed."""
    import tempfile

    from amanah.embedded.stack import Options
    from amanah.progress import shown
    from amanah.running import run

    project.STATE.mkdir(parents=True, exist_ok=True)
    options = Options(services=services, start_services=bool(services) and start, sinks=False)
    lines: list[Line] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=project.STATE) as data, shown() as progress:
            run(_measure(Path(data), pack, measure, options, progress, lines))
    finally:
        for line in lines:
            _say(line, quiet=quiet)


async def _one(line: "Awaitable[Line]") -> "AsyncIterator[Line]":
    yield await line


def _say(line: "Line", *, quiet: bool) -> None:
    if not quiet:
        print(line.words(), file=sys.stderr)
    print(line.as_json(), flush=True)


async def _measure(
    data: Path,
    pack: str,
    measure: "Callable[[Stack, Progress], AsyncIterator[Line]]",
    options: "Options",
    progress: "Progress",
    lines: "list[Line]",
) -> None:
    from amanah.embedded.stack import Stack

    async with Stack(data / "stack", project.pack(pack), options, progress) as stack:
        async for line in measure(stack, progress):
            lines.append(line)
