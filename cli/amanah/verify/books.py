"""What the databases hold, by plain SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from amanah.fault import Fault


@dataclass(slots=True)
class Books:
    """Each list holds what all services' databases say together; `service` is the first element where it matters."""

    taken_ms: int = 0
    """The databases' own clock when reading began, in milliseconds since 1970."""
    outbox: set[tuple[str, str]] = field(default_factory=set)
    """(event id, topic) of every event marked as sent."""
    pruned_ms: dict[str, int] = field(default_factory=dict)
    """`ce_source` of a service to the instant, in milliseconds since 1970, up to which sent rows may be pruned."""
    unsent: list[tuple[str, str, str]] = field(default_factory=list)
    """(service, event id, topic)."""
    parked: list[tuple[str, str]] = field(default_factory=list)
    """(service, what for, where in Kafka)."""
    dead: list[tuple[str, str, str]] = field(default_factory=list)
    """(service, where in Kafka, reason) of every dead letter that nobody has replayed."""
    complaints: dict[str, str | None] = field(default_factory=dict)
    """Complaint id to its source's own id, as intake has committed them."""
    fired: set[tuple[str, ...]] = field(default_factory=set)
    """(complaint, stage, holder, version, threshold) that the monitor has fired."""
    overdue: list[tuple[str, str, int]] = field(default_factory=list)
    """(complaint, stage, holder) of clocks that still run although their instant has settled."""
    waiting_notices: int = 0


def read(dsns: Mapping[str, str]) -> Books:
    """Reads the databases of these services. Raises Fault when one cannot be reached."""
    books = Books()
    for service, dsn in dsns.items():
        try:
            with psycopg.connect(dsn, connect_timeout=10) as db:
                if not books.taken_ms:
                    books.taken_ms = _one(db, "select (extract(epoch from clock_timestamp()) * 1000)::bigint")
                _chassis(books, service, db)
                if read_own := _OWN.get(service):
                    read_own(books, db)
        except psycopg.OperationalError as away:
            raise Fault(f"The database of {service} cannot be read: {str(away).strip()}") from None
    return books


def _chassis(books: Books, service: str, db: Any) -> None:
    for event_id, topic, sent in db.execute("select event_id::text, topic, sent_at is not null from chassis_outbox"):
        if sent:
            books.outbox.add((event_id, topic))
        else:
            books.unsent.append((service, event_id, topic))
    for (up_to_ms,) in db.execute(_PRUNED):  # after the rows: it only moves on
        books.pruned_ms[f"amanah.{service}"] = up_to_ms
    books.parked += [
        (service, f"waits for {row[0]}: {row[1]}/{row[2]}@{row[3]}")
        for row in db.execute('select waiting_for, topic, partition, "offset" from chassis_parked')
    ]
    books.dead += [
        (service, f"{row[0]}/{row[1]}@{row[2]}", row[3])
        for row in db.execute(
            'select topic, partition, "offset", reason from chassis_dead_letter where replayed_at is null'
        )
    ]


def _intake(books: Books, db: Any) -> None:
    books.complaints = dict(db.execute("select id::text, source_ref from intake_complaint").fetchall())


def _sla_monitor(books: Books, db: Any) -> None:
    books.fired = {
        tuple(map(str, row))
        for row in db.execute(
            "select complaint_id, stage, holder, deadline_version, threshold from fired where threshold = 'due'"
        )
    }
    # A second of grace: the ticker is awake, and a live deployment is never wholly at rest.
    books.overdue = db.execute(
        "select complaint_id::text, stage, holder from deadline"
        " where state = 'running' and due_at <= chassis_settled() - interval '1 second'"
    ).fetchall()


def _notifier(books: Books, db: Any) -> None:
    books.waiting_notices = _one(db, "select count(*) from notifier_delivery where state = 'pending'")


_PRUNED = "select (extract(epoch from up_to) * 1000)::bigint from chassis_pruned where what = 'chassis_outbox'"


def _one(db: Any, sql: str) -> Any:
    return db.execute(sql).fetchone()[0]


_OWN = {"intake": _intake, "sla_monitor": _sla_monitor, "notifier": _notifier}
