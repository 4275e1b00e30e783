"""Whole lives of complaints on the owners' topics: filed, routed, acknowledged, resolved; as their relays send them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import Producer
from uuid_utils.compat import uuid7

from amanah.fault import Fault
from amanah_chassis.lanes import partition
from amanah_contracts.casework import CaseAcknowledged, CaseResolved
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.vocabulary import Channel

NOBODY = uuid.UUID(int=0)
SOURCES = {
    "amanah.complaints": b"amanah.intake",
    "amanah.assignments": b"amanah.routing",
    "amanah.cases": b"amanah.casework",
}


def life(agency: str, now: datetime) -> list[Event]:
    """Of one complaint, in order; its clock is met long before it is due."""
    filed, about = now - timedelta(days=3), {"complaint_id": NOBODY, "source_ref": "bench"}
    shared = {"category": "Street Light Condition", "region": "BROOKLYN", "given_due_at": now + timedelta(days=10)}
    words = "The street light before the school has been dark for two weeks."

    def at(hours: int) -> dict[str, Any]:
        return about | {"occurred_at": filed + timedelta(hours=hours), "received_at": filed + timedelta(hours=hours)}

    return [
        ComplaintSubmitted(
            **at(0),
            **shared,
            tracking_code="NYC-7Q4M-2XPD",
            channel=Channel.IMPORT,
            agency_named=agency,
            narrative=words,
        ),
        ComplaintRouted(
            **at(1),
            **shared,
            agency=agency,
            assignment=1,
            rule="named-by-source",
            explanation="The source system named this agency as the one responsible.",
            narrative=words,
            submitted_at=filed,
        ),
        CaseAcknowledged(**at(2), agency=agency),
        CaseResolved(**at(48), agency=agency, outcome="The light was repaired."),
    ]


def fill(kafka: str, agencies: Sequence[str], complaints: int, partitions: int) -> int:
    """So many lives, each event by event, in the partitions where a relay puts them; answers the number of events."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "queue.buffering.max.messages": 400_000})
    now = datetime.now(UTC)
    lives = [[_Rendered(event, now) for event in life(agency, now)] for agency in agencies]
    failed: list[str] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error.str())

    sent = 0
    for number in range(complaints):
        subject, seqs = str(uuid7()).encode(), dict.fromkeys(SOURCES, 0)
        for event in lives[number % len(lives)]:
            seqs[event.topic] += 1
            producer.produce(
                event.topic,
                subject.join(event.body),
                subject,
                partition=partition(subject, partitions),
                headers=event.headers(subject, seqs[event.topic]),
                on_delivery=delivered,
            )
            sent += 1
        if number % 500 == 0:
            producer.poll(0)
        while len(producer) > 200_000:
            producer.poll(0.1)
    producer.flush()
    if failed:
        raise Fault(f"Kafka did not take {len(failed)} of {sent} events: {failed[0]}")
    return sent


class _Rendered:
    """An event that many are copies of."""

    def __init__(self, event: Event, now: datetime) -> None:
        self.topic = event.topic
        self.body = event.view(None).split(str(NOBODY).encode())
        self._shared: list[tuple[str, Any]] = [
            ("ce_specversion", b"1.0"),
            ("ce_source", SOURCES[event.topic]),
            ("ce_type", event.type().encode()),
            ("ce_time", now.isoformat().encode()),
            ("content-type", b"application/json"),
        ]

    def headers(self, subject: bytes, seq: int) -> list[tuple[str, Any]]:
        own = [("ce_id", str(uuid7()).encode()), ("ce_subject", subject), ("ce_sequence", b"%d" % seq)]
        return [*self._shared, *own]
