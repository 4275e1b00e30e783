"""Facts: what is known to have happened to a complaint, each with the instant claimed and the instant received."""

from datetime import datetime
from typing import NamedTuple

SUBMITTED = "complaint.submitted"
ROUTED = "complaint.routed"

WITHDRAWN = "fact.withdrawn"
"""Whoever said something takes it back: `withdraws` is the number it had from the same source."""

KINDS = frozenset(
    {
        SUBMITTED,
        ROUTED,
        "case.acknowledged",
        "case.replied",
        "case.resolved",
        "case.declined",
        "case.information_requested",
        "case.information_received",
        "case.extended",
    }
)
"""Facts that a rule may name as its start, stop, pause, resumption or extension: the stems of the events recorded."""


class Fact(NamedTuple):
    """One fact, unique by (source, seq). Fields beyond the first five are there where its kind has them."""

    kind: str
    source: str
    seq: int
    occurred_at: datetime
    """As claimed by whoever did it."""
    received_at: datetime
    """When our edge came to know of it."""
    channel: str | None = None
    actor: str | None = None
    agency: str | None = None
    assignment: int | None = None
    category: str | None = None
    classification: str | None = None
    region: str | None = None
    visibility: str | None = None
    source_ref: str | None = None
    given_due_at: datetime | None = None
    action: str | None = None
    """The desk's id of what was done, by which it may be withdrawn."""
    withdraws: int | None = None
