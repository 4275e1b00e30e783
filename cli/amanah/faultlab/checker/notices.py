"""Everybody entitled was told, once; nobody else ever. By the plan of the pack nyc311, written down here a second time."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from amanah.faultlab.checker.case import BREACHED, ROUTED, WITHDRAWN, Evidence
from amanah.faultlab.model import Anomaly

READ_MS = 500
"""A monitor that keeps up may read an assignment so much later than it was written: see decision 0015."""
OMBUDSMAN = "/ombudsman"
ANSWERS = (ROUTED, "case.replied.v1", "case.resolved.v1")
"""Of these, and of a breach, a citizen with an address is told."""


def offices(agency: str) -> set[str]:
    """Whom a breach of this agency is told to, besides the ombudsman and the citizen."""
    return {f"/agency/{agency}", f"superior+{agency}@sink.invalid"}


def told(e: Evidence) -> Iterator[Anomaly]:
    """Whoever must know was told, or the notifier said that it could not, of a recipient that had refused for good. While
    notices wait nobody is missed yet: the run is stuck, and that is said."""
    if e.rows.waiting_notices:
        return
    heard = {(notice.complaint_id, notice.about, notice.target) for notice in e.notices}
    given_up = _given_up(e)
    for complaint, kind, target in _wanted(e):
        if (complaint, kind, target) not in heard and (complaint, kind, target) not in given_up:
            yield Anomaly("missed-notification", f"{target} of {kind} of complaint {complaint}")


def _wanted(e: Evidence) -> Iterator[tuple[str, str, str]]:
    standing = [said[-1] for said in e.breaches.values() if said[-1].type == BREACHED]
    for record in [*standing, *(record for kind in ANSWERS for record in e.by_type[kind])]:
        if email := e.filed_as(record.subject).get("email"):
            yield record.subject, record.type, email
    for record in standing:
        yield record.subject, BREACHED, OMBUDSMAN
        if record.body.get("agency") and _held_when_due(e, record.subject):
            for target in offices(e.holder.get(record.subject, "")):
                yield record.subject, BREACHED, target


def _held_when_due(e: Evidence, complaint: str) -> bool:
    """An agency that got the complaint only after the instant is not told that it missed it; of one that got it in the
    last moment nothing is demanded."""
    routed, due = e.routed.get(complaint), e.filed_as(complaint).get("due_ms")
    return bool(routed and due is not None and routed[0].appended_ms + READ_MS <= due)


def _given_up(e: Evidence) -> set[tuple[str, str, str]]:
    """Notices that failed aloud, where the history says that a recipient refused for good."""
    if not any(op.value["what"] == "gone" for op in e.ops("nemesis", "info")):
        return set()
    found = set()
    for record in e.by_type["notice.failed.v1"]:
        kind, _, agency = str(record.body.get("recipient")).partition(":")
        target = {"agency": f"/agency/{agency}", "ombudsman": OMBUDSMAN}.get(kind)
        if target:
            found.add((record.subject, str(record.body.get("about")), target))
    return found


def named(e: Evidence) -> Iterator[Anomaly]:
    """A breach names the agency that held the complaint when it fell due, or neither it nor its superior hears of it."""
    for said in e.breaches.values():
        complaint = said[-1].subject
        if said[-1].type == BREACHED and not said[-1].body.get("agency") and _held_when_due(e, complaint):
            yield Anomaly(
                "missed-notification",
                f"{said[-1].place} names no agency, though {e.holder[complaint]} held {complaint} when it fell due:"
                " neither the agency nor its superior is told",
            )


def told_once(e: Evidence) -> Iterator[Anomaly]:
    """One recipient hears of one event under one id, however often it is sent. A breach that was withdrawn and came true
    after all is another one."""
    ids: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for notice in e.notices:
        ids[notice.complaint_id, notice.about, notice.target].add(notice.id)
    events = Counter((record.subject, record.type) for records in e.by_type.values() for record in records)
    for (complaint, about, target), found in ids.items():
        if len(found) > max(1, events[complaint, about]):
            yield Anomaly("double-notification", f"{target} of {about} of complaint {complaint}: {len(found)} ids")


def told_rightly(e: Evidence) -> Iterator[Anomaly]:
    """Every message reached somebody who may know, about something that is so."""
    events = {(record.subject, record.type) for records in e.by_type.values() for record in records}
    for notice in e.notices:
        filed = e.filed_as(notice.complaint_id)
        entitled = {filed["email"]} if filed.get("email") else set()
        if notice.about in (BREACHED, WITHDRAWN):
            entitled |= {OMBUDSMAN} | offices(filed.get("agency", ""))
        if notice.target not in entitled:
            yield Anomaly("wrong-recipient", f"{notice.target} of {notice.about} of complaint {notice.complaint_id}")
        elif (notice.complaint_id, notice.about) not in events:
            yield Anomaly("wrong-recipient", f"{notice.target} of {notice.about}, which no event says: {notice.id}")


def shown_rightly(e: Evidence) -> Iterator[Anomaly]:
    """On an agency's topic lies nothing about a complaint that another agency holds."""
    for record in e.records:
        if record.topic.startswith("amanah.agency.") and not record.topic.endswith(".replies"):
            agency = record.topic.removeprefix("amanah.agency.")
            if agency != e.filed_as(record.subject).get("agency"):
                yield Anomaly("wrong-recipient", f"{record.place} tells {agency} of complaint {record.subject}")
