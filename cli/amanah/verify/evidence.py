"""Kafka, the databases and the client's history side by side, in the shapes that checks ask for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from amanah.verify.books import Books
from amanah.verify.history import History
from amanah.verify.records import Record, Unreadable

BreachKey = tuple[str, ...]
"""(complaint, stage, holder, deadline version, threshold): what may breach once."""

BREACHED = "deadline.breached.v1"


@dataclass
class Evidence:
    """All that was found. Records that lie in Kafka twice under one id count once, as readers apply them."""

    records: list[Record]
    books: Books
    history: History | None = None
    unreadable: list[Unreadable] = field(default_factory=list)
    told_of_breach: list[str] = field(default_factory=list)
    """Kinds of recipients whom the pack's plan has told of every breach, such as `agency`, `ombudsman`."""
    received: set[str] | None = None
    """Ids of the notices that the receivers of an embedded stack wrote down; None where receivers are others' own."""
    redelivered: int = 0

    @classmethod
    def of(cls, records: Iterable[Record], **rest: Any) -> "Evidence":
        """Keeps each record's first place in its topic."""
        first: dict[tuple[str, str], Record] = {}
        total = 0
        for record in records:
            total += 1
            first.setdefault((record.topic, record.id), record)
        return cls(list(first.values()), redelivered=total - len(first), **rest)

    @cached_property
    def by_type(self) -> Mapping[str, list[Record]]:
        """On the owners' topics: an audience's copy is not a second event."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            if not record.topic.startswith("amanah.agency.") and record.topic != "amanah.ombudsman":
                found[record.type].append(record)
        return found

    @cached_property
    def submitted(self) -> Mapping[str, list[Record]]:
        """`complaint.submitted` by complaint."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.by_type["complaint.submitted.v1"]:
            found[record.subject].append(record)
        return found

    @cached_property
    def breaches(self) -> Mapping[BreachKey, list[Record]]:
        found: dict[BreachKey, list[Record]] = defaultdict(list)
        for record in self.by_type[BREACHED]:
            found[breach_key(record)].append(record)
        return found

    @cached_property
    def withdrawn(self) -> set[BreachKey]:
        """Also those that came true after all."""
        return {breach_key(record) for record in self.by_type["deadline.breach_withdrawn.v1"]}

    @cached_property
    def said(self) -> Mapping[BreachKey, list[Record]]:
        """Breaches and withdrawals as their source said them, one after the other."""
        said: dict[BreachKey, list[Record]] = defaultdict(list)
        for kind in (BREACHED, "deadline.breach_withdrawn.v1"):
            for record in self.by_type[kind]:
                said[breach_key(record)].append(record)
        return {key: sorted(records, key=lambda record: record.sequence) for key, records in said.items()}

    @cached_property
    def standing(self) -> list[Record]:
        """The latest record of each breach that is not withdrawn."""
        return [records[-1] for records in self.said.values() if records[-1].type == BREACHED]

    @cached_property
    def source_ids(self) -> Mapping[str, str | None]:
        """The log's own id of each complaint, as its client knows it, else as intake keeps it."""
        known = dict(self.books.complaints)
        if self.history is not None:
            known |= {filing.complaint_id: filing.source_id for filing in self.history.filings}
        return known


def breach_key(record: Record) -> BreachKey:
    body = record.body or {}
    return (
        record.subject,
        body["stage"],
        str(body.get("holder", 0)),
        str(body.get("deadline_version", 1)),
        body.get("threshold", "due"),
    )
