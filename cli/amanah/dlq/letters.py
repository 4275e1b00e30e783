"""Reads dead letters, and shows of each what helps without what is private: never a body or a header's value."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg

from amanah.dlq.targets import Target
from amanah.fault import Fault
from amanah_chassis import dead_letter
from amanah_chassis.errors import TRANSIENT
from amanah_chassis.parked import unpack_headers


@dataclass(frozen=True)
class Letter:
    """One dead letter of one service, as it is shown."""

    service: str
    id: int
    topic: str
    partition: int
    offset: int
    type: str
    """What `ce_type` says; empty when it says nothing readable."""
    reason: str
    detail: str
    dead_at: datetime
    """In the deployment's own time."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"dead_at": self.dead_at.isoformat()}


async def read(targets: Sequence[Target]) -> list[Letter]:
    """All letters not yet replayed, oldest first within each service."""
    found: list[Letter] = []
    for target in targets:
        async with reachable(target):
            db = await asyncpg.connect(target.database, timeout=10)
            try:
                found += [shown(target.service, row) for row in await dead_letter.waiting(db)]
            finally:
                await db.close()
    return found


def shown(service: str, row: asyncpg.Record) -> Letter:
    kept = {name: row[name] for name in ("id", "topic", "partition", "offset", "reason", "detail", "dead_at")}
    return Letter(service=service, type=_type(row["headers"]), **kept)


def _type(packed: bytes) -> str:
    raw = dict(unpack_headers(packed)).get("ce_type") or b""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    return text[:80] if text.isprintable() else ""


@asynccontextmanager
async def reachable(target: Target) -> AsyncIterator[None]:
    """Says in a sentence what stands between us and the service's database."""
    try:
        yield
    except asyncpg.UndefinedTableError:
        raise Fault(
            f"The database of {target.service} has no tables yet: the service has never started on it."
        ) from None
    except (*TRANSIENT, asyncpg.PostgresError) as away:
        raise Fault(
            f"The database of {target.service} cannot be reached ({type(away).__name__}). Is its stack running?"
            " Start it with ./amanah up, or name another with --data."
        ) from None
