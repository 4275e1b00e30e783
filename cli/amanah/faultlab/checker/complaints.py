"""What was acknowledged is there, once; what is there was asked for."""

from collections import defaultdict
from collections.abc import Iterator

from amanah.faultlab.checker.case import Evidence
from amanah.faultlab.model import Anomaly


def lost(e: Evidence) -> Iterator[Anomaly]:
    """Each 201 and each order that the broker acknowledged is kept wherever it belongs."""
    for ref, ids in e.acknowledged.items():
        for complaint in ids:
            for where, there in (
                ("intake's table", e.rows.complaints),
                ("amanah.complaints", e.submitted),
                ("amanah.assignments", e.routed),
            ):
                if complaint not in there:
                    yield Anomaly("lost-write", f"{ref} was answered {complaint}, which is not in {where}")
    placed = {(record.place, record.id) for record in e.all_records}
    for op in e.ops("order", "ok"):
        if (op.value["place"], op.value["order_id"]) not in placed:
            yield Anomaly("lost-write", f"order {op.value['order_id']} was acknowledged at {op.value['place']}")
    for complaint in e.rows.complaints.keys() - e.submitted.keys():
        yield Anomaly("lost-write", f"complaint {complaint} is committed and not in amanah.complaints")


def phantoms(e: Evidence) -> Iterator[Anomaly]:
    """Nothing is there that nobody asked for, or that was refused for certain."""
    for complaint, ref in e.rows.complaints.items():
        if ref not in e.filings:
            yield Anomaly("phantom", f"intake keeps complaint {complaint} ({ref}), which nobody filed")
        elif ref in e.refused:
            yield Anomaly("phantom", f"{ref} was refused, and intake keeps it as {complaint}")
    for complaint, events in e.submitted.items():
        if complaint not in e.rows.complaints:
            yield Anomaly("phantom", f"{events[0].place} tells of complaint {complaint}, which intake does not keep")


def doubled(e: Evidence) -> Iterator[Anomaly]:
    """One key is one complaint with one answer, one event and one assignment."""
    kept: dict[str | None, set[str]] = defaultdict(set)
    for complaint, ref in e.rows.complaints.items():
        kept[ref].add(complaint)
    for ref, filing in e.filings.items():
        ids = kept[ref] | e.acknowledged.get(ref, set())
        if len(ids) > 1:
            yield Anomaly("double-accept", f"{filing['key']} ({ref}) is {', '.join(sorted(ids))}")
    for what, found in (("complaint.submitted", e.submitted), ("complaint.routed", e.routed)):
        for complaint, events in found.items():
            if len(events) > 1:
                places = ", ".join(event.place for event in events)
                yield Anomaly("double-accept", f"{len(events)} {what} of complaint {complaint}: {places}")
