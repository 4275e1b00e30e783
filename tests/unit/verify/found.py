"""A small deployment that kept every promise, as verify finds it, and the means to break one at a time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from amanah.verify.books import Books
from amanah.verify.evidence import Evidence
from amanah.verify.history import Filing, History
from amanah.verify.records import Record, Unreadable

FILED = datetime(2018, 6, 1, 14, tzinfo=UTC)
DUE = FILED + timedelta(days=4)
END = FILED + timedelta(days=9)
LATE, GOOD = "late", "good"
"""Two complaints: of the first the deadline passed unmet and everybody was told, the second was closed in time."""
READ_AT = 1_000_000
CLOCK = (LATE, "resolution", "0", "1", "due")


class Found:
    """What lies in Kafka, what the databases hold, what the client was told. Methods break it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.unreadable: list[Unreadable] = []
        self.books = Books(
            taken_ms=READ_AT, complaints={LATE: "row-1", GOOD: "row-2"}, fired={CLOCK}, overdue=[], waiting_notices=0
        )
        self.history: History | None = History(
            [Filing("row-1", LATE, FILED, DUE, None), Filing("row-2", GOOD, FILED, DUE, DUE)], set(), END
        )
        self.received: set[str] | None = {"n1", "n2"}
        for complaint in (LATE, GOOD):
            self.add("amanah.complaints", "complaint.submitted", complaint, visibility="open")
            for topic in ("amanah.assignments", "amanah.agency.dot"):
                self.add(topic, "complaint.routed", complaint)
            self.add("amanah.deadlines", "deadline.started", complaint)
        self.add("amanah.cases", "case.resolved", GOOD)
        self.add("amanah.deadlines", "deadline.met", GOOD)
        self.breach()
        self.notice("n1", "agency:dot")
        self.notice("n2", "ombudsman")

    def evidence(self) -> Evidence:
        return Evidence.of(
            self.records,
            books=self.books,
            history=self.history,
            unreadable=self.unreadable,
            told_of_breach=["agency", "ombudsman"],
            received=self.received,
        )

    # -- more ----------------------------------------------------------------------------------------------------------

    def add(self, topic: str, stem: str, subject: str, **body: Any) -> Record:
        """An event that was properly committed and sent."""
        source = f"amanah/{stem.partition('.')[0]}"
        number = 1 + sum((r.topic, r.source, r.subject) == (topic, source, subject) for r in self.records)
        offset = sum(r.topic == topic for r in self.records)
        identity = f"{topic}-{stem}-{subject}-{number}"
        found = Record(topic, 0, offset, READ_AT - 500, f"{stem}.v1", identity, source, subject, number, body)
        self.records.append(found)
        self.books.outbox.add((found.id, topic))
        return found

    def breach(self, subject: str = LATE, at: datetime = DUE, **body: Any) -> None:
        """On all its topics."""
        said = {"stage": "resolution", "rule": "given", "agency": "dot", "holder": 0, "deadline_version": 1}
        said |= {"threshold": "due", "due_at": at.isoformat(), "breached_at": at.isoformat()}
        said |= {"detected_at": at.isoformat(), **body}
        for topic in ("amanah.deadlines", "amanah.agency.dot", "amanah.ombudsman"):
            self.add(topic, "deadline.breached", subject, **said)

    def withdrawal(self) -> None:
        self.add("amanah.deadlines", "deadline.breach_withdrawn", LATE, stage="resolution", holder=0)

    def notice(self, notice: str, recipient: str, stem: str = "notice.sent", **body: Any) -> None:
        said = {"notice_id": notice, "about": "deadline.breached.v1", "stage": "resolution", "recipient": recipient}
        self.add("amanah.notices", stem, LATE, **said, **body)

    # -- less, and otherwise -------------------------------------------------------------------------------------------

    def change(self, which: Callable[[Record], bool], **values: Any) -> None:
        """The last such record."""
        at = max(n for n, record in enumerate(self.records) if which(record))
        self.records[at] = replace(self.records[at], **values)

    def never(self, which: Callable[[Record], bool]) -> None:
        """These were neither committed nor sent."""
        gone = [record for record in self.records if which(record)]
        assert gone
        self.records = [record for record in self.records if record not in gone]
        self.books.outbox -= {(record.id, record.topic) for record in gone}

    def told(self) -> History:
        assert self.history is not None
        return self.history


def of(stem: str, subject: str | None = None, topic: str | None = None) -> Callable[[Record], bool]:
    """Records of this type, complaint and topic."""
    return lambda record: (
        record.type == f"{stem}.v1" and subject in (None, record.subject) and topic in (None, record.topic)
    )
