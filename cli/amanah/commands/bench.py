"""`amanah bench`: figures beside a bare loop of the same run, one JSON object a line on stdout."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from amanah.bench.lines import Line
    from amanah.embedded.stack import Stack
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

    _run(lambda stack, progress: measure(stack, events, rounds, progress), quiet=json)


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

    _run(lambda stack, progress: measure(stack, deadlines, rounds, progress), ("sla_monitor",), quiet=json)


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


def _run(measure: "Callable[[Stack, Progress], Awaitable[Line]]", services: Sequence[str] = (), *, quiet: bool) -> None:
    """On servers of its own, with these services, in a directory that is deleted afterwards."""
    import tempfile

    from amanah.progress import shown
    from amanah.running import run

    project.STATE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=project.STATE) as data, shown() as progress:
        line = run(_measure(Path(data), measure, services, progress))
    _say(line, quiet=quiet)


def _say(line: "Line", *, quiet: bool) -> None:
    if not quiet:
        print(
            f"{line.bench}: {line.figure:,.0f} {line.unit}; bare loop {line.bare:,.0f}; ratio {line.ratio}",
            file=sys.stderr,
        )
    print(line.as_json(), flush=True)


async def _measure(
    data: Path,
    measure: "Callable[[Stack, Progress], Awaitable[Line]]",
    services: Sequence[str],
    progress: "Progress",
) -> "Line":
    from amanah.embedded.stack import Options, Stack

    options = Options(services=services, start_services=bool(services), sinks=False)
    async with Stack(data / "stack", project.pack("nyc311"), options, progress) as stack:
        return await measure(stack, progress)
