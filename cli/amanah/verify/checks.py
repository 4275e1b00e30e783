"""Each promise as a pure function from the evidence to findings.

A check yields, besides findings, one number: how many things it looked at.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

from amanah.verify.evidence import BREACHED, BreachKey, Evidence
from amanah.verify.records import Record
from amanah.verify.result import Finding

Examined = int
Check = Callable[[Evidence], Iterator[Finding | Examined]]


def acknowledged(e: Evidence) -> Iterator[Finding | Examined]:
    """Every 201 is in Kafka, once, and one row of the log is one complaint."""
    if e.history is None:
        return
    yield len(e.history.filings)
    rows_of: dict[str, set[str]] = defaultdict(set)
    complaints_of: dict[str, set[str]] = defaultdict(set)
    for filing in e.history.filings:
        rows_of[filing.complaint_id].add(filing.source_id)
        complaints_of[filing.source_id].add(filing.complaint_id)
        events = e.submitted.get(filing.complaint_id, [])
        if not events:
            yield Finding("acknowledged_lost", f"{filing.source_id}: complaint {filing.complaint_id} is not in Kafka")
        if len(events) > 1:
            yield Finding("filed_twice", f"{filing.source_id}: {len(events)} events for {filing.complaint_id}")
    for complaint, rows in rows_of.items():
        if len(rows) > 1:
            yield Finding("filed_twice", f"complaint {complaint} was answered to {', '.join(sorted(rows))}")
    for complaint, source in e.books.complaints.items():
        if source in complaints_of and complaint not in complaints_of[source]:
            yield Finding("filed_twice", f"{source} is also complaint {complaint}, which no 201 named")


def committed(e: Evidence) -> Iterator[Finding | Examined]:
    """Every complaint that intake has committed is in Kafka, and every one in Kafka was committed."""
    told = {filing.complaint_id for filing in e.history.filings} if e.history else set()
    yield len(e.books.complaints)
    for complaint in e.books.complaints.keys() - e.submitted.keys() - told:
        yield Finding("committed_lost", f"complaint {complaint} is not in Kafka")
    for complaint, events in e.submitted.items():
        if complaint not in e.books.complaints and events[0].appended_ms < e.books.taken_ms:
            yield Finding("never_committed", f"complaint {complaint} is in Kafka ({events[0].place}) only")
        if complaint not in told and len(events) > 1:
            yield Finding("filed_twice", f"{len(events)} events for complaint {complaint}")


def outbox(e: Evidence) -> Iterator[Finding | Examined]:
    """What a database says was sent lies in Kafka; what lies in Kafka was committed first; nothing waits. A record is in
    Kafka before its row is marked as sent, so one that is older than what its outbox was pruned of may have no row."""
    yield len(e.books.outbox)
    there = {(record.id, record.topic) for record in e.records}
    for event_id, topic in e.books.outbox - there:
        yield Finding("event_lost", f"event {event_id} was sent to {topic} and is not there")
    for service, event_id, topic in e.books.unsent:
        yield Finding("unsent", f"{service}: event {event_id} waits for {topic}")
    known = e.books.outbox | {(event_id, topic) for _, event_id, topic in e.books.unsent}
    for record in e.records:
        pruned_ms = e.books.pruned_ms.get(record.source, 0)
        if (record.id, record.topic) not in known and pruned_ms < record.appended_ms < e.books.taken_ms:
            yield Finding("not_from_an_outbox", f"{record.type} {record.id} at {record.place}")


def sequences(e: Evidence) -> Iterator[Finding | Examined]:
    """On every topic, each source counts each complaint's events 1, 2, 3 … in order and in one partition."""
    streams: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in e.records:
        streams[record.topic, record.source, record.subject].append(record)
    yield len(streams)
    for (topic, source, subject), records in streams.items():
        where = f"{topic}, {source}, complaint {subject}"
        if len({record.partition for record in records}) > 1:
            yield Finding("scattered", f"{where} lies in more than one partition")
        numbers = [record.sequence for record in records]
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield Finding("sequence_gap", f"{where}: {sorted(numbers)}")
        elif numbers != sorted(numbers):
            yield Finding("sequence_order", f"{where}: {numbers}")


def readable(e: Evidence) -> Iterator[Finding | Examined]:
    """Only events lie on the topics that only services write, unless a client put something else there on purpose."""
    yield len(e.records) + len(e.unreadable)
    excused = e.history.poisons if e.history else set()
    for record in e.unreadable:
        if record.place not in excused:
            yield Finding("unreadable", f"{record.place}: {record.reason}")


def routed(e: Evidence) -> Iterator[Finding | Examined]:
    """Every complaint has an agency, or a person has been asked for one."""
    yield len(e.submitted)
    asked = {record.subject for record in e.by_type["triage.requested.v1"]}
    placed = {record.subject for record in e.by_type["complaint.routed.v1"]}
    for complaint in e.submitted.keys() - asked - placed:
        yield Finding("not_routed", f"complaint {complaint} is with nobody")


def breached_once(e: Evidence) -> Iterator[Finding | Examined]:
    """One breach event for one deadline passed, not before it passed, and the same set in Kafka and the database."""
    yield len(e.breaches)
    for key, records in e.said.items():
        # A breach that was withdrawn may come true after all.
        for before, after in pairwise(records):
            if before.type == after.type == BREACHED:
                yield Finding("breached_twice", f"{_clock(key)}: {before.place}, {after.place}")
    for key, records in e.breaches.items():
        if key not in e.books.fired and records[0].appended_ms < e.books.taken_ms:
            yield Finding("never_fired", f"{_clock(key)}: {records[0].place}, and no database knows of it")
        for record in records:
            body = record.body or {}
            at = datetime.fromisoformat(body["breached_at"])
            if datetime.fromisoformat(body["detected_at"]) < at:
                yield Finding("breached_early", f"{_clock(key)}: {record.place}")
    for key in e.books.fired - e.breaches.keys():
        yield Finding("event_lost", f"{_clock(key)} was fired and is not in Kafka")
    for complaint, stage, holder in e.books.overdue:
        yield Finding("not_fired", f"{_clock((complaint, stage, str(holder)))} has passed and still runs")


def breached_rightly(e: Evidence) -> Iterator[Finding | Examined]:
    """Deadlines that the log itself gives are breached exactly where its own dates say so."""
    if e.history is None:
        return
    if e.history.end is None:
        yield Finding("history_incomplete", "the client was cut off before the log's end")
        return
    given = {filing.complaint_id: filing for filing in e.history.filings}
    demanded = {filing.complaint_id for filing in given.values() if filing.breaches(e.history.end)}
    found = {record.subject: record for record in e.standing if record.body and record.body["rule"] == "given"}
    yield len(given)
    for complaint in demanded - found.keys():
        yield Finding("breach_missing", f"{given[complaint].source_id}: due {given[complaint].due}, and no breach")
    for complaint in found.keys() - demanded:
        source_id = e.source_ids.get(complaint) or complaint
        yield Finding("breach_unfounded", f"{source_id}: {found[complaint].place}")
    for complaint in demanded & found.keys():
        said = datetime.fromisoformat((found[complaint].body or {})["breached_at"])
        if said != given[complaint].due:
            yield Finding(
                "breach_misdated", f"{given[complaint].source_id}: due {given[complaint].due}, breached {said}"
            )
    for key in e.withdrawn:
        yield Finding("breach_withdrawn", f"{_clock(key)}: in a replay nothing arrives late")


def told(e: Evidence) -> Iterator[Finding | Examined]:
    """Everybody whom the plan names was told of each standing breach, nobody of one breach twice."""
    accepted, failed = _notices(e, "notice.sent.v1"), _notices(e, "notice.failed.v1")
    wanted: Counter[tuple[str, str, str]] = Counter()
    for record in e.standing:
        body = record.body or {}
        for kind in e.told_of_breach:
            recipient = _recipient(kind, body.get("agency"), _whistle_blower(e, record.subject))
            if recipient is not None:
                wanted[record.subject, body["stage"], recipient] += 1
    yield sum(wanted.values())
    for who, times in wanted.items():
        if accepted[who] + failed[who] < times:
            yield Finding("not_told", f"{who[2]} of the breach of {who[1]} of complaint {who[0]}")
    possible = Counter((key[0], key[1]) for key, records in e.breaches.items() for _ in records)
    for who, times in accepted.items():
        if times > possible[who[0], who[1]]:
            yield Finding("told_twice", f"{who[2]} {times} times of the breach of {who[1]} of complaint {who[0]}")
    for record in e.by_type["notice.failed.v1"]:
        yield Finding("notice_failed", f"{(record.body or {})['recipient']}: {(record.body or {})['reason']}")
    if e.books.waiting_notices:
        yield Finding("notices_waiting", f"{e.books.waiting_notices} notices wait to be sent")


def received(e: Evidence) -> Iterator[Finding | Examined]:
    """What is said to have been sent was received, and what was received is said to have been sent."""
    if e.received is None:
        return
    sent = {(record.body or {})["notice_id"] for record in e.by_type["notice.sent.v1"]}
    yield len(sent)
    for notice in sent - e.received:
        yield Finding("notice_lost", f"notice {notice} was never received")
    if not e.books.waiting_notices:
        for notice in e.received - sent:
            yield Finding("notice_unrecorded", f"notice {notice} was received and no event says so")


def set_aside(e: Evidence) -> Iterator[Finding | Examined]:
    """Nothing is left over: no dead letter but those that a client put there on purpose, nothing parked."""
    yield len(e.books.dead) + len(e.books.parked)
    excused = e.history.poisons if e.history else set()
    for service, place, reason in e.books.dead:
        if place not in excused:
            yield Finding("dead_letter", f"{service}: {place}, {reason}; see ./amanah dlq list")
    for service, what in e.books.parked:
        yield Finding("parked", f"{service}: {what}")


CHECKS: tuple[Check, ...] = (
    acknowledged,
    committed,
    outbox,
    sequences,
    readable,
    routed,
    breached_once,
    breached_rightly,
    told,
    received,
    set_aside,
)


def _notices(e: Evidence, kind: str) -> Counter[tuple[str, str, str]]:
    """Distinct notices about a breach by (complaint, stage, recipient)."""
    seen = {}
    for record in e.by_type[kind]:
        body = record.body or {}
        if body["about"] == BREACHED:
            seen[body["notice_id"]] = (record.subject, body.get("stage") or "", body["recipient"])
    return Counter(seen.values())


def _recipient(kind: str, agency: str | None, whistle_blower: bool) -> str | None:
    """The recipient as events name it; None where nobody of this kind is entitled."""
    if kind == "ombudsman":
        return kind
    if whistle_blower or agency is None:
        return None
    return f"{kind}:{agency}"


def _whistle_blower(e: Evidence, complaint: str) -> bool:
    events = e.submitted.get(complaint)
    return events is not None and (events[0].body or {}).get("visibility") == "whistle_blower"


def _clock(key: BreachKey) -> str:
    return f"complaint {key[0]}, clock {key[1]}/{key[2]}"
