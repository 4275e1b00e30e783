"""The services whose dead letters are asked for: those of a running stack, or the one behind a DSN."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amanah.embedded import home
from amanah.embedded.services import SERVICES
from amanah.fault import Fault


@dataclass(frozen=True)
class Target:
    """One service: its database, and what its process is told by the environment."""

    service: str
    database: str
    environment: Mapping[str, str]

    @contextmanager
    def told(self) -> Iterator[None]:
        """Inside, this process is told what the service is told."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def find(service: str | None, data: Path | None, database: str | None) -> list[Target]:
    """Raises Fault when the words do not name a service."""
    if service is not None and service not in SERVICES:
        raise Fault(f"There is no service {service!r}. There are {', '.join(SERVICES)}.", 2)
    if database is not None:
        if service is None:
            raise Fault("Say with --service whose database that is.", 2)
        return [Target(service, database, _by_dsn(database))]
    state = home.read(data)
    return [
        Target(name, state.dsn(name), state.environment(name)) for name in state.services if service in (None, name)
    ]


def _by_dsn(database: str) -> dict[str, str]:
    """The caller's own environment says the rest. Kafka is not needed: sending is the relay's, in the service's process."""
    return {"AMANAH_KAFKA": os.environ.get("AMANAH_KAFKA", "not-needed:0"), "AMANAH_DATABASE": database}
