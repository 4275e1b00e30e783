"""`amanah contracts`: schemas, AsyncAPI and pages of all events and orders."""

import sys
from typing import TYPE_CHECKING

import cyclopts

if TYPE_CHECKING:
    from amanah.contracts.artefacts import Verdict

app = cyclopts.App(name="contracts", help="Check, write or list the contracts of all events and orders.")


@app.command
def check() -> int:
    """Prove that schemas, AsyncAPI and pages are current, and that no change breaks a reader; exit 1 if not."""
    from amanah.contracts import artefacts

    contracts = artefacts.ours()
    verdict = artefacts.judge(contracts, artefacts.home())
    _tell(verdict)
    if verdict.stale:
        print("Not current:", *verdict.stale, sep="\n  ", file=sys.stderr)
        print("Run `./amanah contracts write` and commit the result.", file=sys.stderr)
    if not verdict.good:
        return 1
    print(f"contracts: {len(contracts.messages)} events and orders, current and compatible")
    return 0


@app.command
def write() -> int:
    """Write schemas, AsyncAPI and pages anew; refuses, with exit 1, while a contract is broken."""
    from amanah.contracts import artefacts

    verdict, written = artefacts.write(artefacts.ours(), artefacts.home())
    _tell(verdict)
    if verdict.faults or verdict.broken:
        print("Nothing was written.", file=sys.stderr)
        return 1
    print(f"contracts: {len(written)} files written", *written, sep="\n  ")
    return 0


@app.command(name="list")
def list_messages() -> None:
    """List every event and order with its owner, its topic and who else receives it."""
    from rich.console import Console
    from rich.table import Table

    from amanah.contracts import artefacts

    contracts = artefacts.ours()
    table = Table("message", "owner", "topic", "also to", "meaning", box=None, pad_edge=False)
    for message in contracts.messages:
        topic = next(topic for topic in contracts.topics if topic.owner and message.type() in topic.types)
        also = ", ".join(sorted(getattr(message, "audiences", ())))
        table.add_row(message.type(), topic.owner, topic.topic, also, (message.__doc__ or "").partition("\n")[0])
    Console(soft_wrap=True).print(table)


def _tell(verdict: "Verdict") -> None:
    for sentence in (*verdict.faults, *verdict.broken):
        print(sentence, file=sys.stderr)
