"""`amanah replay`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from amanah.replay.session import Replayed

SHOWN_ROWS = 20


def replay(
    file: Path,
    *,
    pack: str = "nyc311",
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    data: Path | None = None,
    kill: int = 0,
) -> None:
    """Runs a city's complaint log through the real system, in virtual time, and checks the outcome.

    Each row is filed at its own time, each closing is played as the agency's answer on the agency's topic, and the clock
    moves no faster than the pipeline drains. Ends with a table; exit code 0 only if `amanah verify` finds nothing.

    Parameters
    ----------
    file
        A complaint log, CSV or a JSON array of objects; also with the column names of NYC's open-data API.
    pack
        The data pack by name or folder: it says how the log is read, who the agencies are, what binds them.
    json
        Write the figures to this file: rows, filed, rejected, routed, met, breached, open (complaints not resolved at the
        end), withdrawn, notices, breaches (source_id, stage, due_at, breached_at), lost, duplicated, seconds, and more.
    data
        Data directory of this replay; emptied first. Default: .amanah/replay in the project.
    kill
        Kill each service this many times with SIGKILL during the run, evenly spread; the figures must not change.
    """
    from amanah.embedded.stack import Options
    from amanah.progress import shown
    from amanah.replay import session
    from amanah.running import run

    folder = project.pack(pack)
    with shown() as progress:
        done = run(session.replay(file, folder, data or project.STATE / "replay", kill, Options(newest=True), progress))
    if json is not None:
        json.write_text(session.as_json(done) + "\n")
    _print(done)
    if not done.verified.ok:
        sys.exit(1)


def _print(done: "Replayed") -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console()
    v = done.verified
    table = Table(title="Replay", show_header=False)
    for name, value in (
        ("rows in the log", done.rows),
        ("filed", v.filed),
        ("rejected", len(done.rejected)),
        ("routed to an agency", v.routed),
        ("deadlines met", v.met),
        ("deadlines breached", v.breached),
        ("complaints still open", v.open),
        ("breaches withdrawn", v.withdrawn),
        ("notices sent", v.notices),
        ("filing to agency topic, p50 / p99", f"{done.pace.p50_ms} / {done.pace.p99_ms} ms" if done.pace else "-"),
        ("lost / duplicated", f"{v.lost} / {v.duplicated}"),
        ("real time", f"{done.seconds} s"),
    ):
        table.add_row(name, str(value))
    out.print(table)
    for rejected in done.rejected[:SHOWN_ROWS]:
        out.print(f"rejected, line {rejected.line}: {rejected.reason}", markup=False)
    _more(out, len(done.rejected))
    for source_id, reason in sorted(done.refused.items())[:SHOWN_ROWS]:
        out.print(f"closing of {source_id} refused: {reason.replace('_', ' ')}", markup=False)
    _more(out, len(done.refused))
    for finding in v.findings[:SHOWN_ROWS]:
        out.print(f"{finding.check}: {finding.detail}", markup=False, style="red")
    _more(out, len(v.findings))
    out.print("verify: nothing found" if v.ok else f"verify: {len(v.findings)} findings", style="bold")


def _more(out: object, count: int) -> None:
    if count > SHOWN_ROWS:
        out.print(f"… and {count - SHOWN_ROWS} more; --json has them all", markup=False)  # type: ignore[attr-defined]
