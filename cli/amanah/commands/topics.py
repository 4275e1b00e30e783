"""`amanah topics`: what topics a pack needs, what Kafka has, and what it lost."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from amanah.recovery.rebuild import Rebuilt

app = cyclopts.App(name="topics", help="List or create the topics of a pack, or make them anew from the outboxes.")

Bootstrap = Annotated[str | None, Parameter(name="--kafka", help="host:port [default: the stack started last].")]


@app.command(name="list")
def list_topics(*, pack: str = "nyc311", kafka: Bootstrap = None) -> int:
    """Show each topic with its partitions and records; exit 1 if one is missing or differs."""
    from rich.console import Console
    from rich.table import Table

    from amanah.embedded import topics

    bootstrap = kafka or _running()
    wanted = topics.of(project.pack(pack))
    found = topics.present(bootstrap)
    table = Table("topic", "partitions", "records", "", box=None, pad_edge=False)
    faults = 0
    for topic in wanted:
        partitions, records = found.get(topic.name, (0, 0))
        remark = topics.difference(topic, partitions)
        faults += bool(remark)
        table.add_row(topic.name, str(partitions), str(records), remark)
    Console(soft_wrap=True).print(table)
    return 1 if faults else 0


@app.command
def create(*, pack: str = "nyc311", kafka: Bootstrap = None) -> None:
    """Create the topics that are missing; topics that exist are left alone."""
    from amanah.embedded import topics

    made = topics.create(kafka or _running(), topics.of(project.pack(pack)))
    print("\n".join(f"created {name}" for name in made) or "Nothing was missing.")


@app.command
def rebuild(
    *,
    data: Annotated[Path | None, Parameter(help="Data directory of the stack [default: the one started last].")] = None,
    database: Annotated[
        list[str] | None, Parameter(help="SERVICE=DSN, once for each service, in place of a stack.", negative="")
    ] = None,
    kafka: Annotated[str | None, Parameter(name="--kafka", help="host:port [default: the stack's].")] = None,
    add: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Print data instead of text.")] = False,
) -> int:
    """Send everything once more that the outboxes hold, after Kafka lost it; exit 1 if a topic then differs from them.

    PostgreSQL and Kafka run, the topics are created, all services are stopped (`amanah up --no-services`). Events get their
    old ids and numbers and are sent in order; services read them from the beginning and drop what they have applied.
    Interrupted, it can be begun again. It says what no outbox holds: events after their term, and orders of agencies, who
    have to give those again.

    Parameters
    ----------
    add
        The topics hold something already: send only what they lack, behind it.
    """
    import json

    from amanah.progress import shown
    from amanah.recovery import places
    from amanah.recovery.rebuild import rebuild as make_anew
    from amanah.running import run

    with shown() as progress:
        rebuilt = run(make_anew(places.find(data, database or (), kafka), add, progress))
    if as_json:
        print(json.dumps(rebuilt.as_dict(), indent=1))
    else:
        _tell(rebuilt)
    return 1 if rebuilt.differing else 0


def _tell(rebuilt: "Rebuilt") -> None:
    for service, count in rebuilt.sent.items():
        print(f"{service} sent {count:,} events")
    for topic, count in rebuilt.records.items():
        print(f"{topic} holds {count:,} records")
    for topic, events, subjects in rebuilt.pruned:
        print(
            f"not rebuilt: {events:,} events about {subjects:,} complaints on {topic}, which were kept for their term only"
        )
    if rebuilt.others:
        print(f"not rebuilt: orders on {len(rebuilt.others)} topics amanah.agency.*.replies; agencies give them again")
    for topic, lacking, otherwise in rebuilt.differing:
        print(f"{topic} lacks {lacking:,} events and has {otherwise:,} otherwise than the outbox", file=sys.stderr)
    print("The topics differ from the outboxes." if rebuilt.differing else "All topics are as the outboxes have them.")


def _running() -> str:
    from amanah.embedded import home

    return home.read().kafka
