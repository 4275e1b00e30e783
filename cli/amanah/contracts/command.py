"""The command line: `amanah contracts write|check|list`."""

import sys

from cyclopts import App
from rich.console import Console
from rich.table import Table

from amanah.contracts import artefacts, topics
from amanah_contracts.envelope import Event
from amanah_contracts.registry import COMMANDS, EVENTS

app = App(name="contracts", help="Schemas, AsyncAPI and pages of all events and orders: write, check, list.")


def ours() -> artefacts.Contracts:
    """The contracts of this source tree."""
    return artefacts.Contracts((*EVENTS, *COMMANDS), topics.load(), artefacts.read_examples(artefacts.home()))


@app.command
def check() -> None:
    """Prove that the committed files are current, and that no change breaks a reader. Exit 1 if not."""
    verdict = artefacts.judge(ours(), artefacts.home())
    _tell(verdict)
    if verdict.stale:
        print("Not current:", *verdict.stale, sep="\n  ", file=sys.stderr)
        print("Run `amanah contracts write` and commit the result.", file=sys.stderr)
    if not verdict.good:
        sys.exit(1)
    print(f"contracts: {len(EVENTS)} events and {len(COMMANDS)} orders, current and compatible")


@app.command
def write() -> None:
    """Write schemas, AsyncAPI documents and pages anew. Refuses, with exit 1, while a contract is broken."""
    verdict, written = artefacts.write(ours(), artefacts.home())
    _tell(verdict)
    if verdict.faults or verdict.broken:
        print("Nothing was written.", file=sys.stderr)
        sys.exit(1)
    print(f"contracts: {len(written)} files written", *written, sep="\n  ")


@app.command(name="list")
def list_messages() -> None:
    """List every event and order with its owner, topic and audiences."""
    table = Table(box=None)
    for column in ("message", "owner", "topic", "also to", "meaning"):
        table.add_column(column, overflow="fold", no_wrap=column == "message")
    found = {name: topic for topic in topics.load() if topic.owner for name in topic.types}
    for message in (*EVENTS, *COMMANDS):
        topic = found[message.type()]
        also = ", ".join(sorted(message.audiences)) if issubclass(message, Event) else ""
        table.add_row(message.type(), topic.owner, topic.topic, also, (message.__doc__ or "").partition("\n")[0])
    Console().print(table)


def _tell(verdict: artefacts.Verdict) -> None:
    for sentence in (*verdict.faults, *verdict.broken):
        print(sentence, file=sys.stderr)
