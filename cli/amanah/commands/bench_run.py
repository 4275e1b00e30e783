"""How each command of `amanah bench` runs its bench and says what was measured."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from amanah.bench.lines import Line
    from amanah.embedded.stack import Options, Stack
    from amanah.progress import Progress

Json = Annotated[bool, Parameter(name="--json", negative="", help="JSON lines only, without the words for a person.")]


def run(
    measure: "Callable[[Stack, Progress], AsyncIterator[Line]]",
    services: Sequence[str] = (),
    *,
    pack: str = "nyc311",
    start: bool = True,
    sinks: bool = False,
    quiet: bool,
) -> None:
    """On servers of its own, with these services, in a directory that is deleted afterwards. `start=False`: the bench starts
    them itself; `sinks`: with receivers of notices. Says what was measured, also when what came after it failed."""
    from amanah.embedded.stack import Options

    options = Options(services=services, start_services=bool(services) and start, sinks=sinks)
    in_a_directory(lambda data, progress: _measure(data, pack, measure, options, progress), quiet=quiet)


def in_a_directory(measure: "Callable[[Path, Progress], AsyncIterator[Line]]", *, quiet: bool) -> None:
    """For a bench that starts all its servers itself."""
    import tempfile

    from amanah.progress import shown
    from amanah.running import run as until_signal

    project.STATE.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []

    async def collect(found: "AsyncIterator[Line]") -> None:
        async for line in found:
            lines.append(line)  # noqa: PERF401 - one by one, so that those before a failure are kept

    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=project.STATE) as data, shown() as progress:
            until_signal(collect(measure(Path(data), progress)))
    finally:
        for line in lines:
            say(line, quiet=quiet)


async def one(line: "Awaitable[Line]") -> "AsyncIterator[Line]":
    yield await line


def say(line: "Line", *, quiet: bool) -> None:
    if not quiet:
        print(line.words(), file=sys.stderr)
    print(line.as_json(), flush=True)


async def _measure(
    data: Path,
    pack: str,
    measure: "Callable[[Stack, Progress], AsyncIterator[Line]]",
    options: "Options",
    progress: "Progress",
) -> "AsyncIterator[Line]":
    from amanah.embedded.stack import Stack

    async with Stack(data / "stack", project.pack(pack), options, progress) as stack:
        async for line in measure(stack, progress):
            yield line
