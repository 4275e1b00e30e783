"""`amanah soak`: hours of load in which nothing may grow without end."""

import json as encoder
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project
from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah.soak.run import Soaked

SHOWN = 12
"""Of the rulings that found nothing, those nearest to their limits."""


def soak(
    *,
    minutes: float = 60,
    rate: float = 50,
    seed: int = 1,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    data: Path | None = None,
) -> int:
    """Run a deployment under load while its services are killed and frozen, and judge whether anything grows without end.

    Complaints over HTTP at a steady rate, agencies answering on their topics, deadlines passing. Terms of retention are a
    sixth of the run, so that the last half shows tables at their full size. Every 10 s: memory and open files of each
    process, lag of each consumer group, unsent events, size and rows of each table. In the first half services are killed
    and frozen, in the second frozen only. Ends with `verify` and a verdict over the last half; exit 1 if anything grows or
    is found.

    Parameters
    ----------
    minutes
        Of load. What leaks slowly needs long: growth is judged over half of it.
    rate
        Complaints a second.
    seed
        Decides who is killed when, and what becomes of each complaint.
    json
        Write figures, rulings and every sample to this file.
    data
        Data directory; emptied first. Default: .amanah/soak in the project.
    """
    from amanah.progress import shown
    from amanah.running import run
    from amanah.soak.run import soak as run_soak

    if minutes < 2 or rate <= 0:
        raise Fault("A soak needs at least 2 minutes and a rate above 0.", 2)
    with shown() as progress:
        done = run(run_soak(minutes, rate, seed, data or project.STATE / "soak", progress))
    if json is not None:
        json.write_text(encoder.dumps(done.as_dict()) + "\n")
    tell(done)
    return 0 if done.passed else 1


def tell(done: "Soaked") -> None:
    """The verdict, and what it rests on, for a person."""
    from rich.console import Console
    from rich.table import Table

    from amanah.commands.verify import tell as tell_verified

    out = Console(soft_wrap=True)
    tell_verified(done.verified)
    nearest = sorted(done.rulings, key=lambda r: (not r.grows, -r.gained / r.limit))
    table = Table("figure", "median", "gained", "limit", "verdict", box=None, pad_edge=False)
    for ruling in [r for r in nearest if r.grows or r.kind == "memory"] + [
        r for r in nearest if not r.grows and r.kind != "memory"
    ][:SHOWN]:
        unit = f" {ruling.unit}" if ruling.unit else ""
        verdict = "GROWS" if ruling.grows else "flat"
        table.add_row(
            ruling.name, f"{ruling.median:,}{unit}", f"{ruling.gained:+,}{unit}", f"{ruling.limit:,}", verdict
        )
    out.print(table)
    struck = ", ".join(f"{what} {times}" for what, times in sorted(done.disturbances.items()))
    pace = f"{done.complaints / done.minutes / 60:.1f} of {done.rate:g} a second, load {done.load[0]:g} to {done.load[1]:g}"
    out.print(f"{done.complaints:,} complaints in {done.minutes:g} min ({pace}); {struck}", markup=False)
    out.print(
        f"slowest answer {done.slowest:.1f} s; at rest {done.drained:.1f} s after the last deadline", markup=False
    )
    grows = sum(ruling.grows for ruling in done.rulings)
    out.print(f"soak: {grows} of {len(done.rulings)} figures grow" if grows else
              f"soak: flat, all {len(done.rulings)} figures", style="bold")  # fmt: skip
