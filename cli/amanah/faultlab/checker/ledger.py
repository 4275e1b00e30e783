"""What the services keep as sent lies in Kafka, as they keep it; and what once lay there lies there still."""

from collections.abc import Iterator

from amanah.faultlab.checker.case import Evidence
from amanah.faultlab.model import Anomaly, Kept, Record


def kept(e: Evidence) -> Iterator[Anomaly]:
    """Each event that an outbox calls sent is on its topic, with the same type, subject, number and body."""
    there = {(record.topic, record.id): record for record in e.lives[-1]}
    for (topic, event), row in e.rows.ledger.items():
        record = there.get((topic, event))
        if record is None:
            yield Anomaly("lost-write", f"event {event} is kept as sent and not in {topic}")
        elif _kept(record) != row:
            yield Anomaly("phantom", f"{record.place} is not event {event} as it is kept: {_what(_kept(record), row)}")


def outlived(e: Evidence) -> Iterator[Anomaly]:
    """After Kafka lost what it had, each event that a service had said lies there again, and is the same. What outsiders
    wrote is theirs to give again; `lost` and the checks of orders ask for that."""
    now = {(record.topic, record.id): record for record in e.lives[-1]}
    for life in e.lives[:-1]:
        for record in life:
            if not record.sequence:
                continue
            again = now.get((record.topic, record.id))
            if again is None:
                yield Anomaly("lost-write", f"{record.place}, event {record.id}, is not in Kafka again")
            elif _kept(again) != _kept(record):
                difference = _what(_kept(again), _kept(record))
                yield Anomaly("phantom", f"{again.place} is not event {record.id} as {record.place} was: {difference}")


def _kept(record: Record) -> Kept:
    return Kept(record.type, record.subject, record.sequence, record.body)


def _what(one: Kept, other: Kept) -> str:
    """Names of what differs; never what it says."""
    return ", ".join(name for name in Kept.__slots__ if getattr(one, name) != getattr(other, name))
