"""What the desk says of a case is what the agency's orders make of it, by a table of transitions of our own."""

from collections import Counter
from collections.abc import Iterator

from amanah.faultlab.checker.case import OPEN, Evidence
from amanah.faultlab.model import Anomaly, Record

SAID = {
    "case.acknowledge.v1": "case.acknowledged.v1",
    "case.reply.v1": "case.replied.v1",
    "case.resolve.v1": "case.resolved.v1",
}
ALLOWED = {
    "case.acknowledged.v1": (frozenset({"assigned"}), "acknowledged"),
    "case.replied.v1": (OPEN, "replied"),
    "case.resolved.v1": (OPEN, "resolved"),
}


def carried_out(e: Evidence) -> Iterator[Anomaly]:
    """Every order that was possible is an event, once; every event was ordered; each step is allowed from the one before."""
    events: dict[str, list[Record]] = {}
    for kind in ALLOWED:
        for record in e.by_type[kind]:
            events.setdefault(record.subject, []).append(record)
    for complaint in e.submitted.keys() | events.keys():
        said = sorted(events.get(complaint, ()), key=lambda record: record.sequence)
        yield from _allowed(complaint, said)
        yield from _ordered(e, complaint, Counter(record.type for record in said))


def _allowed(complaint: str, said: list[Record]) -> Iterator[Anomaly]:
    state = "assigned"
    for record in said:
        possible, after = ALLOWED[record.type]
        if state not in possible:
            yield Anomaly(
                "illegal-transition", f"{record.type} of complaint {complaint}, which was {state}: {record.place}"
            )
        state = after


def _ordered(e: Evidence, complaint: str, said: "Counter[str]") -> Iterator[Anomaly]:
    wanted = Counter(SAID[order.type] for order in e.effects(complaint))
    for kind in wanted.keys() | said.keys():
        given, there = wanted[kind], said[kind]
        if there < given:
            yield Anomaly("lost-write", f"complaint {complaint}: {given} orders, and {there} {kind}")
        elif given < there:
            name = "double-accept" if given else "phantom"
            yield Anomaly(name, f"complaint {complaint}: {given} orders, and {there} {kind}")
