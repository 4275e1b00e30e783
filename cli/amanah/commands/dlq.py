"""`amanah dlq`: records that could not be handled."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

if TYPE_CHECKING:
    from amanah.dlq.letters import Letter
    from amanah.dlq.replaying import Outcome

app = cyclopts.App(name="dlq", help="List, replay or give up the records that services could not handle.")

OneService = Annotated[str | None, Parameter(help="One service only.")]
Data = Annotated[Path | None, Parameter(help="Data directory of a running stack [default: the one started last].")]
Database = Annotated[
    str | None,
    Parameter(help="DSN of the database of --service, in place of a stack; its settings come from AMANAH_…."),
]


@app.command(name="list")
def list_letters(
    *,
    service: OneService = None,
    data: Data = None,
    database: Database = None,
    json: Annotated[bool, Parameter(negative=(), help="One JSON array.")] = False,
) -> None:
    """Show every record that waits as a dead letter, with its reason; no body, no header's value."""
    from amanah.dlq import letters, targets

    found = asyncio.run(letters.read(targets.find(service, data, database)))
    if json:
        import json as encoder

        print(encoder.dumps([letter.as_json() for letter in found], indent=2))
    else:
        _show(found)


@app.command
def replay(
    *ids: int,
    all_: Annotated[bool, Parameter("--all", negative=(), help="Every dead letter.")] = False,
    service: OneService = None,
    data: Data = None,
    database: Database = None,
) -> int:
    """Give dead letters to their service's handlers again, after the cause is mended; exit 1 if one fails again.

    A letter that is applied is marked so in the same transaction, and what waited behind it follows in order. One that
    fails again stays, with its new reason.

    Parameters
    ----------
    ids
        Which ones, as `amanah dlq list` numbers them; ids belong to one service, so name it with --service.
    """
    from amanah.dlq import replaying, targets
    from amanah.fault import Fault

    if bool(ids) == all_:
        raise Fault("Name the letters by id, or say --all.", 2)
    if ids and service is None:
        raise Fault("Ids belong to one service: name it with --service.", 2)
    outcomes: list[Outcome] = []
    for target in targets.find(service, data, database):
        outcomes += asyncio.run(replaying.replay(target, None if all_ else ids))
    return _tell(outcomes)


@app.command
def drop(
    id_: Annotated[int, Parameter(name="id")],
    /,
    *,
    reason: str,
    service: str,
    data: Data = None,
    database: Database = None,
) -> None:
    """Give up a dead letter that can never be handled, such as one that is not JSON, so that what waits behind it goes on.

    It is kept, with the reason and the time, and its effect never happens: first see whether the cause can be mended and
    the letter replayed. The running service takes up what waited behind it within seconds.

    Parameters
    ----------
    id_
        Which one, as `amanah dlq list` numbers it.
    reason
        Why it is given up, for whoever asks later; without personal data.
    service
        The service that the id belongs to.
    """
    from amanah.dlq import dropping, targets
    from amanah.fault import Fault

    if not reason.strip():
        raise Fault("Say with --reason why it is given up.", 2)
    found = targets.find(service, data, database)
    if not found:
        raise Fault(f"That stack does not run {service}.", 2)
    letter, moved = asyncio.run(dropping.drop(found[0], id_, reason))
    what = "what waits behind it goes on" if moved else "it held nothing up"
    print(f"given up {letter.service} {letter.id} {letter.topic}/{letter.partition}/{letter.offset}: {what}")


def _show(found: "list[Letter]") -> None:
    from rich.console import Console
    from rich.table import Table

    if not found:
        print("No dead letters.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("service", "id", "topic/partition/offset", "type", "reason", "detail", "when"):
        table.add_column(heading, overflow="fold")
    for letter in found:
        place = f"{letter.topic}/{letter.partition}/{letter.offset}"
        when = letter.dead_at.isoformat(timespec="seconds")
        table.add_row(letter.service, str(letter.id), place, letter.type, letter.reason, letter.detail, when)
    # In a pipe every letter is one line, however long.
    Console(width=None if sys.stdout.isatty() else 4000, markup=False).print(table)


def _tell(outcomes: "list[Outcome]") -> int:
    for outcome in outcomes:
        letter = outcome.letter
        verb = "replayed" if outcome.replayed else "FAILED  "
        print(f"{verb} {letter.service} {letter.id} {letter.topic}/{letter.partition}/{letter.offset}: {outcome.what}")
    failed = sum(not outcome.replayed for outcome in outcomes)
    print(f"{len(outcomes) - failed} replayed, {failed} failed." if outcomes else "No dead letters.")
    return 1 if failed else 0
