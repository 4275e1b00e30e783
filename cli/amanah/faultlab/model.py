"""The shapes of evidence. Instants are milliseconds since 1970, as Kafka stamps them; texts are as they were found."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CANARY = re.compile(r"cnry[0-9a-f]{12}|70009[0-9]{8}")
"""How a planted name, address or telephone number is known again. What is found counts if the history planted it."""


@dataclass(frozen=True, slots=True)
class Op:
    """One line of a history. `type`: `invoke`, then `ok` (it happened), `fail` (it did not) or `info` (nobody knows).

    `f` is `file` (value: key, source_ref, agency, due_ms, email, canaries; with its outcome also status, None without an
    answer, and once ok complaint_id), `order` (value: complaint_id, agency, verb, order_id; once ok also stamp_ms and
    place), `poison` (value: place), `nemesis` (value: what, which is `start`, `heal` or `gone` for a recipient that refuses
    for good) or `drain` (value: seconds, left)."""

    process: str
    op_id: int
    type: str
    f: str
    value: Mapping[str, Any]
    mono_ns: int
    wall: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of Kafka. What is no event has an empty `type`. `text`: key, headers and value, to be searched."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    type: str
    id: str
    source: str
    subject: str
    sequence: int
    body: Mapping[str, Any]
    text: str = ""
    life: int = 0
    """How often Kafka had lost all it had before it got this record."""

    @property
    def place(self) -> str:
        return place(self.topic, self.partition, self.offset, self.life)


def place(topic: str, partition: int, offset: int, life: int = 0) -> str:
    """Where a record lies. After Kafka lost what it had the same place is another one."""
    return f"{topic}/{partition}@{offset}" + (f" of life {life + 1}" if life else "")


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as its service's outbox has it, marked as sent."""

    type: str
    subject: str
    sequence: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What the databases hold."""

    complaints: Mapping[str, str | None] = field(default_factory=dict)
    """Complaint id to source_ref, in intake."""
    committed_ms: Mapping[str, float] = field(default_factory=dict)
    """Complaint id to the instant of its filing, by the database's clock."""
    ledger: Mapping[tuple[str, str], Kept] = field(default_factory=dict)
    """Topic and event id to what the outboxes have."""
    unsent: Sequence[str] = ()
    parked: Sequence[str] = ()
    dead: Sequence[tuple[str, str]] = ()
    """Where in Kafka each dead letter lay, and its reason."""
    waiting_notices: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)
    """Whatever may be kept only without a person in it, such as dead letters: name to text."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One line in a receiver's ledger. `target`: the path of a webhook or the address of a mail; `about`: the
    event's `ce_type`."""

    id: str
    target: str
    complaint_id: str
    about: str


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A promise that was not kept: its name, and where."""

    name: str
    detail: str


NAMES = (
    "lost-write",
    "phantom",
    "double-accept",
    "seq-gap",
    "seq-inversion",
    "illegal-transition",
    "missed-breach",
    "early-breach",
    "double-breach",
    "breach-after-completion",
    "slow-breach",
    "missed-notification",
    "double-notification",
    "wrong-recipient",
    "pii-leak",
    "stuck",
)
"""Every anomaly that the checker knows."""
