"""Which databases and which Kafka are meant, and that no service is at work there."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from amanah.contracts import topics as contracts
from amanah.embedded import home
from amanah.embedded.services import SERVICES
from amanah.fault import Fault
from amanah_chassis import resend


@dataclass(frozen=True)
class Place:
    """`databases`: service to the DSN of its own role."""

    kafka: str
    databases: Mapping[str, str]

    def only(self, service: str) -> "Place":
        """One service of it. Raises Fault when it is not there."""
        if service not in self.databases:
            raise Fault(f"That stack does not run {service}.", 2)
        return Place(self.kafka, {service: self.databases[service]})


def find(data: Path | None, databases: Sequence[str], kafka: str | None) -> Place:
    """The stack in `data`, or the databases given as SERVICE=DSN and that Kafka. Raises Fault when that names neither."""
    if not databases:
        state = home.read(data)
        return Place(kafka or state.kafka, {name: state.dsn(name) for name in state.services})
    if kafka is None:
        raise Fault("With --database also name the Kafka: --kafka host:port.", 2)
    found = {}
    for words in databases:
        service, _, dsn = words.partition("=")
        if service not in SERVICES or not dsn.startswith(("postgresql://", "postgres://")):
            raise Fault(f"Say --database SERVICE=DSN with one of {', '.join(SERVICES)}.", 2)
        found[service] = dsn
    return Place(kafka, found)


def own_topic(service: str) -> str:
    """Where a service alone writes."""
    [topic] = [topic.topic for topic in contracts.load() if topic.owner == service]
    return topic


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    """A connection to each database. Raises Fault when one cannot be reached."""
    async with AsyncExitStack() as closing:
        dbs = {}
        for service, dsn in place.databases.items():
            dbs[service] = db = await _connect(service, dsn)
            closing.push_async_callback(db.close)
        yield dbs


@asynccontextmanager
async def alone(place: Place) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    """The same, and inside no process of these services can send. Raises Fault when one runs."""
    async with opened(place) as dbs:
        for service, db in dbs.items():
            if not await resend.alone(db):
                raise Fault(
                    f"{service} is at work: it would go on in Kafka from where it stood. Stop all services (a stack on this"
                    " machine: start it with ./amanah up --no-services), then begin again."
                )
        yield dbs


async def _connect(service: str, dsn: str) -> asyncpg.Connection:
    try:
        db = await asyncpg.connect(dsn, timeout=10)
        if await db.fetchval("select to_regclass('chassis_outbox') is null"):
            await db.close()
            raise Fault(f"That is no database of {service}: it has no outbox.")
    except (OSError, asyncpg.PostgresError, TimeoutError) as away:
        raise Fault(f"The database of {service} does not answer ({type(away).__name__}).") from None
    else:
        return db
