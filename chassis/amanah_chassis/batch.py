"""What a handler is given: deliveries, a transaction, a clock reading, and a way to say what follows from them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from amanah_chassis.database import Connection
from amanah_contracts.envelope import Event, Message

M_co = TypeVar("M_co", bound=Message, covariant=True)


class Origin(NamedTuple):
    """Where a record lies in Kafka, and its untouched bytes: what a dead letter keeps."""

    topic: str
    partition: int
    offset: int
    appended_at: datetime
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None


@dataclass(slots=True)
class Delivered(Generic[M_co]):
    """One message that a consumer received and could read."""

    event: M_co
    id: UUID
    source: str
    seq: int
    """Its number within (source, subject); 0 for an order, which has none."""
    origin: Origin
    traceparent: str | None
    appended_at: datetime
    """The broker's LogAppendTime in the deployment's own time."""

    @property
    def topic(self) -> str:
        return self.origin.topic


@dataclass(slots=True)
class Transaction:
    """State, positions and events of one commit."""

    db: Connection
    now: datetime
    settled: datetime
    real: datetime
    """The database server's own time, also where the deployment's is virtual."""
    emitted: list[tuple[Event, str | None]] = field(default_factory=list)

    def emit(self, event: Event, traceparent: str | None = None) -> None:
        """Publishes `event` if, and only if, this transaction commits."""
        self.emitted.append((event, traceparent))


@dataclass(slots=True)
class Batch(Transaction, Generic[M_co]):
    """Deliveries of one class, at most one per subject, in one transaction."""

    deliveries: Sequence[Delivered[M_co]] = ()
    parked: list[tuple[Delivered[M_co], str]] = field(default_factory=list)

    def park(self, delivered: Delivered[M_co], waiting_for: str) -> None:
        """Sets a delivery aside until another message about its subject has been applied."""
        self.parked.append((delivered, waiting_for))

    def waited(self, delivered: Delivered[M_co]) -> timedelta:
        """For how long, in real time, the record has been there: what patience is measured by."""
        return self.real - delivered.origin.appended_at


Handler = Callable[[Batch[Any], Any], Awaitable[None]]
