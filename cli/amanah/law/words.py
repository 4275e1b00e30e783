"""Whom another law moves, for a person."""

from rich.console import Console
from rich.table import Table

from amanah.law.tally import Tally

SHOWN = 10


def tell(tally: Tally, *, done: bool) -> None:
    """A table by agency and stage, and the first moves."""
    out = Console()
    if not tally.by_place:
        out.print(f"{tally.complaints} complaints with clocks that run: none is moved.")
        return
    table = Table("agency", "stage", "later", "earlier", "started", "cancelled", "breached at once", box=None)
    for row in tally.as_dict()["by_agency_and_stage"]:
        counts = [str(row[kind] or "") for kind in ("later", "earlier", "started", "cancelled", "breached")]
        table.add_row(row["agency"] or "(nobody yet)", row["stage"], *counts)
    out.print(table)
    for move in tally.moves[:SHOWN]:
        line = f"{move['complaint']} {move['stage']}: {move['due_at_before']} → {move['due_at']} ({move['what']})"
        out.print(line, markup=False, soft_wrap=True)
    if tally.moved > SHOWN:
        out.print(f"… and {tally.moved - SHOWN} more; --json names up to --limit of them", markup=False)
    verb = "moved" if done else "would be moved"
    out.print(f"{tally.moved} clocks of {tally.complaints} complaints {verb}", style="bold")
