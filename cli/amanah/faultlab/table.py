"""Runs as a table for a person and as data."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from amanah.faultlab.lab import Nemesis, Run


def bound(acked: int) -> float:
    """With nothing wrong in so many operations, the share that may be wrong is below this, with 95 % confidence."""
    return 3 / acked if acked else 1.0


def ended(runs: Sequence[Run]) -> str:
    """The last line."""
    acked, wrong = sum(run.acked for run in runs), sum(len(run.anomalies) for run in runs)
    said = f"{len(runs)} runs, {acked} acknowledged operations, {wrong} anomalies"
    if any(not run.passed for run in runs):
        return f"{said}; {sum(not run.passed for run in runs)} runs did not pass"
    return f"{said}; with 95 % confidence fewer than {bound(acked) * 100_000:.1f} of 100,000 operations are lost or doubled"


def row(fault: str, runs: Sequence[Run]) -> dict[str, Any]:
    """One fault over its seeds."""
    drained = [run.drained for run in runs]
    return {
        "fault": fault,
        "seeds": [run.seed for run in runs],
        "verdict": worst(runs),
        "acked": sum(run.acked for run in runs),
        "anomalies": dict(Counter(anomaly.name for run in runs for anomaly in run.anomalies)),
        "drained_seconds": max((d for d in drained if d is not None), default=None) if all(drained) else None,
        "proof": [run.proof for run in runs],
        "unmet": [words for run in runs for words in run.unmet],
    }


def worst(runs: Sequence[Run]) -> str:
    """Of several runs the verdict to act upon."""
    verdicts = {run.verdict for run in runs}
    return next(one for one in ("failed", "not run", "passed") if one in verdicts)


def as_dict(runs: Sequence[Run]) -> dict[str, Any]:
    """The object of `--json`."""
    acked = sum(run.acked for run in runs)
    faults = list(dict.fromkeys(run.fault for run in runs))
    return {
        "acked": acked,
        "anomalies": sum(len(run.anomalies) for run in runs),
        "bound_95": bound(acked) if all(run.passed for run in runs) else None,
        "faults": [row(fault, [run for run in runs if run.fault == fault]) for fault in faults],
        "runs": [asdict(run) | {"verdict": run.verdict, "acked": run.acked} for run in runs],
    }


def tell(runs: Sequence[Run]) -> None:
    """The table, and what went wrong in words."""
    from rich.console import Console
    from rich.table import Table

    out = Console(soft_wrap=True)
    table = Table("fault", "seeds", "verdict", "acked", "anomalies", "drained", "proof", box=None, pad_edge=False)
    for line in as_dict(runs)["faults"]:
        found = ", ".join(f"{name} {count}" for name, count in line["anomalies"].items()) or "none"
        drained = "no" if line["drained_seconds"] is None else f"{line['drained_seconds']:.1f} s"
        seeds = ",".join(map(str, line["seeds"]))
        table.add_row(line["fault"], seeds, line["verdict"], str(line["acked"]), found, drained, line["proof"][-1])
    out.print(table)
    for run in runs:
        for anomaly in run.anomalies[:10]:
            out.print(f"{run.fault}, seed {run.seed}: {anomaly.name}: {anomaly.detail}", markup=False, style="red")
        for words in run.unmet:
            out.print(f"{run.fault}, seed {run.seed}: {words}", markup=False, style="red")
        if run.kept:
            out.print(f"{run.fault}, seed {run.seed}: the data is kept in {run.kept}", markup=False)
    out.print(ended(runs), style="bold")


def listed(faults: Sequence[Nemesis]) -> None:
    """What there is."""
    from rich.console import Console
    from rich.table import Table

    table = Table("fault", "what it does", "what proves that it bit", box=None, pad_edge=False)
    for fault in faults:
        table.add_row(fault.id, fault.does, fault.proven_by)
    Console(soft_wrap=False).print(table)
