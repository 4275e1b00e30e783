"""`amanah up`: the whole system on this machine, until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project

if TYPE_CHECKING:
    from amanah.embedded.stack import Options, Stack

WELL_KNOWN = 8100
"""Kafka listens here and the services on the ports after it (intake: 8101), if all are free."""


def up(
    *,
    pack: str = "nyc311",
    data: Path | None = None,
    port_base: int | None = None,
    kafka_port: int | None = None,
    postgres_port: int | None = None,
    http: Annotated[dict[str, int] | None, Parameter(name="--http")] = None,
    kafka_version: str | None = None,
    services: bool = True,
) -> None:
    """Start PostgreSQL, Kafka and the five services here, and keep them running until Ctrl-C.

    The first start downloads Kafka and takes under a minute. Nothing is installed outside the checkout and the cache; no
    root, no Docker. AMANAH_POSTGRES (a superuser's DSN) and AMANAH_KAFKA (host:port) name existing servers to use instead.

    Parameters
    ----------
    pack
        Data pack: agencies, rules, calendars. A name in packs/ or a folder.
    data
        Where all data goes [default: .amanah/up in the checkout]. Delete it to begin anew. Two stacks need two of them.
    port_base
        Kafka listens on this port and the services on the next ones [default: 8100 if all are free, else others].
    kafka_port
        Port of Kafka alone.
    postgres_port
        Let PostgreSQL listen on this TCP port of 127.0.0.1 too; otherwise it has only a Unix socket.
    http
        Port of one service, such as --http.intake 9000.
    kafka_version
        Another Kafka than the one that is tested.
    services
        --no-services starts PostgreSQL and Kafka only.
    """
    from amanah.embedded.jars import KAFKA_VERSION
    from amanah.embedded.stack import Options
    from amanah.running import run

    options = Options(
        start_services=services,
        port_base=port_base,
        kafka_port=kafka_port,
        postgres_port=postgres_port,
        http=http or {},
        kafka_version=kafka_version or KAFKA_VERSION,
    )
    run(_up(data or project.STATE / "up", project.pack(pack), options))


async def _up(data: Path, pack: Path, options: "Options") -> None:
    from amanah.embedded.stack import Stack
    from amanah.fault import Fault
    from amanah.progress import shown

    try:
        with shown() as progress:
            stack = await Stack(data, pack, _with_well_known_ports(data, options), progress).__aenter__()
        try:
            _tell(stack)
            await asyncio.Event().wait()
        finally:
            await stack.stop()
    except asyncio.CancelledError:
        raise Fault("Stopped. The data is kept.", 0) from None


def _with_well_known_ports(data: Path, options: "Options") -> "Options":
    from dataclasses import replace

    from amanah.embedded import ports
    from amanah.embedded.home import Home

    untouched = options.port_base is None and options.kafka_port is None and not options.http
    if not untouched or Home(data).earlier_ports():
        return options
    all_free = all(ports.free(WELL_KNOWN + offset) for offset in range(len(options.services) + 3))
    return replace(options, port_base=WELL_KNOWN) if all_free else options


def _tell(stack: "Stack") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name in stack.options.services if stack.options.start_services else ():
        table.add_row(name, stack.url(name), f"log {stack.log(name)}")
    table.add_row("kafka", stack.kafka, "")
    table.add_row("postgres", stack.admin_dsn(), "")
    console = Console(soft_wrap=True)
    console.print(table)
    if stack.options.start_services:
        console.print(f"\nFile the first complaint:\n\n{first_complaint(stack.url('intake'))}\n", markup=False)
    console.print("Stop with Ctrl-C.")


def first_complaint(intake: str) -> str:
    """A command that a person can paste into a second terminal."""
    return (
        f"  curl -sS {intake}/complaints -H 'Content-Type: application/json' -H \"Idempotency-Key: $(uuidgen)\" \\\n"
        '       -d \'{"narrative": "The street light before the school has been dark for two weeks."}\''
    )
