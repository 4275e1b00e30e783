"""`amanah fault`: one fault on a deployment of its own under load, and what it left."""

import json as encoder
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah.faultlab.lab import Nemesis, Run
    from amanah.progress import Progress

app = cyclopts.App(name="fault", help="Break a running system on purpose, and check that no promise broke with it.")

Json = Annotated[Path | None, Parameter(name="--json", help="Write the table and every run to this file.")]
Rate = Annotated[float, Parameter(help="Complaints a second.")]


@app.command(name="list")
def list_() -> None:
    """Show the faults, what each does and what proves that it bit."""
    from amanah.faultlab import faults, table

    table.listed(faults.ALL)


@app.command(name="run")
def run_(fault: str, *, seed: int = 1, rate: Rate = 25, json: Json = None, keep: Path | None = None) -> int:
    """Run one fault once. Exit 1 if anything is found, and if the fault left no trace.

    Parameters
    ----------
    fault
        Its number, such as F2; see `amanah fault list`.
    seed
        Decides everything that chance decides.
    keep
        Keep the run's data in this folder [default: kept only when something is found].
    """
    return _go([_find(fault)], [seed], rate, json, keep)


@app.command(name="all")
def all_(
    *,
    seeds: int = 1,
    first: Annotated[int, Parameter(name="--from")] = 1,
    only: str = "",
    rate: Rate = 25,
    json: Json = None,
) -> int:
    """Run every fault with several seeds. Exit 1 on any anomaly and for any fault that left no trace.

    Parameters
    ----------
    seeds
        How often each fault is run: with the seeds 1, 2, 3 …; all faults with one seed, then all with the next.
    first
        The first seed, where an earlier run had those before it.
    only
        Some faults, such as F2,F3.
    """
    from amanah.faultlab import faults

    chosen = [_find(name) for name in only.split(",")] if only else list(faults.ALL)
    return _go(chosen, range(first, first + seeds), rate, json, None)


def _find(name: str) -> "Nemesis":
    from amanah.faultlab import faults

    for fault in faults.ALL:
        if fault.id.upper() == name.strip().upper():
            return fault
    raise Fault(f"There is no fault {name!r}: {', '.join(fault.id for fault in faults.ALL)}.", 2)


def _go(chosen: Sequence["Nemesis"], seeds: Sequence[int], rate: float, json: Path | None, keep: Path | None) -> int:
    from amanah.faultlab import table
    from amanah.progress import shown
    from amanah.running import run

    with shown() as progress:
        runs = run(_every(chosen, seeds, rate, json, keep, progress))
    table.tell(runs)
    return 0 if all(one.passed for one in runs) else 1


async def _every(
    chosen: Sequence["Nemesis"], seeds: Sequence[int], rate: float, json: Path | None, keep: Path | None,
    progress: "Progress",
) -> "list[Run]":  # fmt: skip
    """One after the other; the file is written after each, so that an interrupted night is not lost."""
    from amanah.faultlab import lab, table

    runs: list[Run] = []
    for seed in seeds:
        for fault in chosen:
            runs.append(await lab.run(fault, seed, rate, progress, keep))
            if json is not None:
                json.write_text(encoder.dumps(table.as_dict(runs), indent=1) + "\n")
    return runs
