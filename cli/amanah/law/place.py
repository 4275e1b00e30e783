"""Where the monitor's tables are, and the law to hold against them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from amanah import project
from amanah.embedded import home
from amanah.fault import Fault
from amanah_chassis import garbage
from amanah_chassis.chassis import Chassis
from amanah_chassis.errors import Misconfigured
from amanah_sla_monitor import store
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.pack import load_law
from amanah_sla_monitor.settings import SlaMonitorSettings


@dataclass(frozen=True)
class Place:
    """`kafka` only where a stack runs on this machine; what is committed here, the monitor's own relay sends."""

    database: str
    pack: Path
    kafka: str = ""


def find(data: Path | None, database: str | None, pack: str | None) -> Place:
    """A stack on this machine, or any database of a monitor with the pack that its monitors read."""
    if database is not None:
        if pack is None:
            raise Fault("With --database also name the pack that its monitors read: --pack.", 2)
        return Place(database, project.pack(pack))
    state = home.read(data)
    if not home.runs(state):
        raise Fault(f"The stack in {state.data} does not run. Start it with ./amanah up, and ask again.")
    return Place(state.dsn("sla_monitor"), project.pack(pack) if pack else Path(state.pack), state.kafka)


def law(place: Place) -> Law:
    """The law of its pack as it lies on disk now. Raises Fault, naming file, entry and field."""
    try:
        return load_law(place.pack)
    except Misconfigured as wrong:
        raise Fault(str(wrong)) from None


async def past_law(place: Place, parts: Sequence[str]) -> dict[str, str] | None:
    """The files of the latest law that held these parts. Raises Fault when the tables cannot be reached."""
    async with opened(place) as chassis, chassis.pool.acquire() as db:
        found = await store.law_with(db, parts)
    return found[1] if found else None


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Chassis]:
    """A connection to the monitor's tables that commits as the monitor does. Raises Fault when they cannot be reached."""
    settings = SlaMonitorSettings(kafka=place.kafka, database=place.database, pack=place.pack, pool_size=2)
    try:
        async with Chassis.open(settings, "sla_monitor") as chassis:
            garbage.tune()  # as a service does
            yield chassis
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as away:
        raise Fault(f"The monitor's database does not answer ({type(away).__name__}).") from None
    except asyncpg.UndefinedTableError:
        raise Fault("This is no database of an SLA monitor, or one of an older release: start that once.") from None
