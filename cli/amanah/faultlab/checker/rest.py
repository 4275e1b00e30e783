"""After the fault everything comes to rest by itself."""

from collections.abc import Iterator

from amanah.faultlab.checker.case import Evidence
from amanah.faultlab.model import Anomaly

PATIENCE = 60.0


def at_rest(e: Evidence) -> Iterator[Anomaly]:
    """Within a minute nothing is unsent, unread, set aside or waiting, and only what was put there on purpose is dead."""
    drains = e.ops("drain", "ok", "fail")
    if not drains:
        yield Anomaly("stuck", "nobody waited for it to drain")
    for op in drains:
        if op.type == "fail" or op.value["seconds"] > PATIENCE:
            yield Anomaly("stuck", f"not drained after {op.value['seconds']:.0f} s: {op.value.get('left', '')}")
    for what, found in (("unsent", e.rows.unsent), ("set aside", e.rows.parked)):
        if found:
            yield Anomaly("stuck", f"{len(found)} {what}, the first: {found[0]}")
    if e.rows.waiting_notices:
        yield Anomaly("stuck", f"{e.rows.waiting_notices} notices wait to be sent")
    poisons = {op.value["place"] for op in e.ops("poison", "ok")}
    for place, reason in e.rows.dead:
        if place not in poisons:
            yield Anomaly("stuck", f"dead letter {place}: {reason}")
    for place in poisons - {place for place, _ in e.rows.dead}:
        yield Anomaly("stuck", f"{place} was put there on purpose, and is no dead letter")
