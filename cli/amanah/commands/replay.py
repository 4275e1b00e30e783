"""`amanah replay`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from rich.console import Console

    from amanah.replay.session import Replayed
    from amanah.replay.what_if import Line, WhatIf

SHOWN_ROWS = 20
SHOWN_LINES = 40


def replay(
    file: Path,
    *,
    pack: str = "nyc311",
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    data: Path | None = None,
    kill: int = 0,
    rules: Path | None = None,
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
    rules
        What if: run under this draft in place of the pack's rules.yaml, and show what would have been breached, by agency
        and stage, beside what the present rules breach. A file in the form of a pack's rules.yaml, or a folder with one and
        perhaps a calendars.yaml.
    """
    from amanah.embedded.stack import Options
    from amanah.progress import shown
    from amanah.replay import session
    from amanah.running import run

    folder = project.pack(pack)
    with shown() as progress:
        place, options = data or project.STATE / "replay", Options(newest=True)
        done = run(session.replay(file, folder, place, kill, options, progress, rules))
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
    if done.what_if is not None:
        _print_what_if(out, done.what_if)
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


def _print_what_if(out: "Console", found: "WhatIf") -> None:
    from rich.table import Table
    from rich.text import Text

    from amanah.replay.what_if import shown

    title = Text(f"What if: breached now → by the draft {found.rules}", style="table.title")  # a name is no markup
    table = Table(title=title, box=None, pad_edge=False)
    for name in ("agency", "stage"):
        table.add_column(name, overflow="fold")
    for name in ("deadlines", "met", "breached", "open", "now → draft", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    lines, unchanged = shown(found.lines, SHOWN_LINES)
    for line in lines:
        table.add_row(line.agency or "no agency yet", line.stage, *_figures(line))
    if unchanged:
        table.add_row(f"{unchanged} more", "without a change")
    table.add_row("all", "", *_figures(found.total), style="bold")
    out.print(table)


def _figures(line: "Line") -> list[str]:
    counted = [str(number) for number in (line.clocks, line.met, line.breached, line.open)]
    return [*counted, f"{line.breached_now} → {line.breached}", f"{line.change:+d}" if line.change else "0"]


def _more(out: "Console", count: int) -> None:
    if count > SHOWN_ROWS:
        out.print(f"… and {count - SHOWN_ROWS} more; --json has them all", markup=False)
