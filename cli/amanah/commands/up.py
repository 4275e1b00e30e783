"""`amanah up`: the whole system on this machine, until Ctrl-C."""

import asyncio
import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project
from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah.embedded.stack import Options, Stack

WELL_KNOWN = 8100
"""Kafka listens here and the services on the ports after it (intake: 8101), if all are free."""
EXAMPLE = {"category": "STREET LIGHT", "narrative": "The light before the school has been dark for two weeks."}
"""Of a pack that names none."""


def up(
    *,
    pack: str | None = None,
    data: Path | None = None,
    port_base: int | None = None,
    kafka_port: int | None = None,
    postgres_port: int | None = None,
    http: Annotated[dict[str, int] | None, Parameter(name="--http")] = None,
    kafka_version: str | None = None,
    services: bool = True,
) -> None:
    """Start PostgreSQL, Kafka and the five services here, and keep them running until Ctrl-C.

    The first start downloads Kafka and takes under a minute; later ones work without a network. Nothing is installed
    outside the checkout and the cache; no root, no Docker. Whatever dies is started again.

    Environment: AMANAH_POSTGRES (a superuser's DSN) and AMANAH_KAFKA (host:port) name existing servers to use instead,
    AMANAH_MAVEN a mirror of Maven Central to get Kafka from, XDG_CACHE_HOME where downloads are kept.

    Parameters
    ----------
    pack
        Data pack: agencies, rules, calendars. A name in packs/ or a folder [default: what the data was last started with;
        of new data nyc311].
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
    from amanah.embedded import home
    from amanah.embedded.jars import KAFKA_VERSION
    from amanah.embedded.stack import Options
    from amanah.running import run

    options = Options(
        start_services=services,
        newest=True,
        port_base=port_base,
        first_base=WELL_KNOWN,
        kafka_port=kafka_port,
        postgres_port=postgres_port,
        http=http or {},
        kafka_version=kafka_version or KAFKA_VERSION,
    )
    _refuse_unknown(options)
    data = data or project.STATE / "up"
    run(_up(data, project.pack(pack or home.earlier_pack(data) or "nyc311"), options))


def _refuse_unknown(options: "Options") -> None:
    for name in options.http:
        if name not in options.services:
            raise Fault(f"There is no service {name!r} to give a port: {', '.join(options.services)}.", 2)


async def _up(data: Path, pack: Path, options: "Options") -> None:
    from amanah.embedded.stack import Stack
    from amanah.progress import shown

    began = time.monotonic()
    try:
        with shown() as progress:
            stack = await Stack(data, pack, options, progress).__aenter__()
        try:
            print(where(stack), flush=True)
            print(f"Ready after {time.monotonic() - began:.1f} s. Stop with Ctrl-C; the data is kept.", flush=True)
            await asyncio.Event().wait()
        finally:
            await stack.stop()
    except asyncio.CancelledError:
        raise Fault("Stopped. The data is kept.", 0) from None


def where(stack: "Stack") -> str:
    """What runs where and what to do with it: everything that a person needs who sees this for the first time."""
    running = stack.options.services if stack.options.start_services else ()
    places = [(name, stack.url(name)) for name in running]
    places += [("kafka", stack.kafka), ("postgres", stack.admin_dsn())]
    if running and stack.sinks is not None:
        places += [("webhooks to", stack.sinks.webhook_url), ("mail to", stack.sinks.smtp)]
    places += [("pack", str(stack.pack)), ("data", str(stack.data)), ("logs", str(stack.data / "logs"))]
    if running and stack.sinks is not None:
        places.append(("notices", str(stack.sinks.directory)))
    text = "".join(f"{name:<13}{place}\n" for name, place in places)
    return text + (first_complaint(stack.url("intake"), stack.pack) if "intake" in running else "")


def first_complaint(intake: str, pack: Path) -> str:
    """Commands that a person can paste into a second terminal, with the complaint that `pack.yaml` has for an example."""
    import yaml

    home = yaml.safe_load((pack / "pack.yaml").read_text(encoding="utf-8")) if (pack / "pack.yaml").is_file() else {}
    body = shlex.quote(json.dumps(home.get("example", EXAMPLE), ensure_ascii=False))
    return f"""
File a complaint:

  curl -sS {intake}/complaints -H 'Content-Type: application/json' -H "Idempotency-Key: mine-$(date +%s)" \\
       -d {body}

Follow it with the secret that the answer holds:

  curl -sS {intake}/complaints/status -H 'Authorization: Bearer SECRET'
"""
