"""`amanah verify`: a second pair of eyes on what a deployment left in Kafka and in its databases."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from amanah.progress import Progress
    from amanah.verify.result import Result

SHOWN = 20


def verify(
    *,
    data: Path | None = None,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    history: Path | None = None,
) -> int:
    """Check Kafka and the databases against each other and against what clients were told. Exit 1 if anything is found.

    Uses another Kafka client than the services, plain SQL and no service code. Looks at a stack that runs, or starts the
    servers of one that was stopped, without its services.

    Parameters
    ----------
    data
        Data directory of the stack [default: the stack or replay started last].
    json
        Write figures and findings to this file.
    history
        What a client was told, one JSON object a line [default: history.jsonl in the data directory, as a replay leaves it].
    """
    import json as encoder

    from amanah.progress import shown
    from amanah.running import run

    with shown() as progress:
        result = run(_verify(data, history, progress))
    if json is not None:
        json.write_text(encoder.dumps(result.as_dict(), indent=1) + "\n")
    tell(result)
    return 0 if result.ok else 1


async def _verify(data: Path | None, history: Path | None, progress: "Progress") -> "Result":
    from amanah.embedded import home
    from amanah.embedded.stack import Options, Stack
    from amanah.verify.run import Place, verify_stack
    from amanah.verify.run import verify as judge

    state = home.read(data)
    folder = Path(state.data)
    told = history or (folder / "history.jsonl" if (folder / "history.jsonl").is_file() else None)
    if home.runs(state):
        sinks = folder / "sinks"
        dsns = {name: state.dsn(name) for name in state.services}
        place = Place(state.kafka, dsns, Path(state.pack), sinks if sinks.is_dir() else None, told)
        return await asyncio.to_thread(judge, place)
    options = Options(services=tuple(state.services), start_services=False, sinks=False)
    async with Stack(folder, Path(state.pack), options, progress) as stack:
        return await verify_stack(stack, told)


def tell(result: "Result") -> None:
    """Findings and figures for a person."""
    from rich.console import Console
    from rich.table import Table

    out = Console(soft_wrap=True)
    table = Table("promise", "looked at", "found", box=None, pad_edge=False)
    for check in result.checks:
        table.add_row(check.promise, str(check.examined), str(len(check.findings)))
    out.print(table)
    for finding in result.findings[:SHOWN]:
        out.print(f"{finding.check}: {finding.detail}", markup=False, style="red")
    if len(result.findings) > SHOWN:
        out.print(f"… and {len(result.findings) - SHOWN} more; --json has them all", markup=False)
    out.print("verify: nothing found" if result.ok else f"verify: {len(result.findings)} findings", style="bold")
