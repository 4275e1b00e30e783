"""`amanah topics`: what topics a pack needs and what Kafka has."""

from typing import Annotated

import cyclopts
from cyclopts import Parameter

from amanah import project

app = cyclopts.App(name="topics", help="List or create the topics of a pack.")

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


def _running() -> str:
    from amanah.embedded import home

    return home.read().kafka
