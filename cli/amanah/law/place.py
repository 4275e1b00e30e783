"""Where the monitor's tables are, and the law to hold against them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
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
    state = _running(data)
    return Place(state.dsn("sla_monitor"), project.pack(pack) if pack else Path(state.pack), state.kafka)


def database_of(data: Path | None, database: str | None) -> str:
    """The DSN of a monitor's tables: of a stack on this machine, or the one given."""
    return _running(data).dsn("sla_monitor") if database is None else database


def _running(data: Path | None) -> home.State:
    state = home.read(data)
    if not home.runs(state):
        raise Fault(f"The stack in {state.data} does not run. Start it with ./amanah up, and ask again.")
    return state


def law(place: Place) -> Law:
    """The law of its pack as it lies on disk now. Raises Fault, naming file, entry and field."""
    try:
        return load_law(place.pack)
    except Misconfigured as wrong:
        raise Fault(str(wrong)) from None


async def past_law(database: str, parts: Sequence[str]) -> dict[str, str] | None:
    """The files of the latest law that held these parts. Raises Fault when the tables cannot be reached."""
    with _reached():
        db = await asyncpg.connect(database)
        try:
            found = await store.law_with(db, parts)
        finally:
            await db.close()
    return found[1] if found else None


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Chassis]:
    """A connection to the monitor's tables that commits as the monitor does. Raises Fault when they cannot be reached."""
    settings = SlaMonitorSettings(kafka=place.kafka, database=place.database, pack=place.pack, pool_size=2)
    with _reached():
        async with Chassis.open(settings, "sla_monitor") as chassis:
            garbage.tune()  # as a service does
            yield chassis


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as away:
        raise Fault(f"The monitor's database does not answer ({type(away).__name__}).") from None
    except asyncpg.UndefinedTableError:
        raise Fault("This is no database of an SLA monitor, or one of an older release: start that once.") from None
