"""Breaches, recomputed from the history: the due instants that were promised, and the broker's stamps of the orders."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from amanah.faultlab.checker.case import BREACHED, Evidence, Key
from amanah.faultlab.model import Anomaly, Record

PROMPT_MS = 5_000
"""How late a breach may be said while nothing is wrong. The goal is far below; this machine has other work to do."""
RECOVERY_MS = 60_000
"""How long after a fault's end everything may take."""
SETTLED_MS = 1_000
"""Of deadlines that fall due at the very end nothing is demanded."""


def rightly(e: Evidence) -> Iterator[Anomaly]:
    """Exactly one standing breach of each deadline that passed unmet, none of any other, none before its instant."""
    standing: dict[str, list[Record]] = defaultdict(list)
    for key, said in e.breaches.items():
        for before, after in pairwise(said):
            if before.type == after.type == BREACHED:
                yield Anomaly("double-breach", f"{key}: {before.place}, {after.place}")
        if said[-1].type == BREACHED:
            standing[key[0]].append(said[-1])
        yield from _early(e, key, said)
    for complaint in e.submitted.keys() | standing.keys():
        yield from _judged(e, complaint, standing[complaint])


def _early(e: Evidence, key: Key, said: Sequence[Record]) -> Iterator[Anomaly]:
    due = e.filed_as(key[0]).get("due_ms")
    for record in said:
        if record.type != BREACHED:
            continue
        if due is None:
            yield Anomaly("early-breach", f"{key}: {record.place}, and it had no deadline")
        elif record.appended_ms < due:
            yield Anomaly(
                "early-breach", f"{key}: {record.place}, {due - record.appended_ms:.0f} ms before its instant"
            )


def _judged(e: Evidence, complaint: str, standing: list[Record]) -> Iterator[Anomaly]:
    due, stopped = e.filed_as(complaint).get("due_ms"), e.stopped_ms(complaint)
    if len(standing) > 1:
        yield Anomaly("double-breach", f"complaint {complaint}: {', '.join(record.place for record in standing)}")
    if due is None or due > e.ended_ms - SETTLED_MS:
        return
    in_time = stopped is not None and stopped <= due
    if standing and in_time:
        yield Anomaly(
            "breach-after-completion", f"complaint {complaint}: {standing[0].place}, and it was resolved in time"
        )
    elif not standing and not in_time:
        yield Anomaly("missed-breach", f"complaint {complaint} was due at {due:.0f}; resolved: {stopped}")


def promptly(e: Evidence) -> Iterator[Anomaly]:
    """A breach is said soon after its instant, or after the end of the fault that held it up."""
    for record in e.by_type[BREACHED]:
        due, filed = e.filed_as(record.subject).get("due_ms"), e.submitted.get(record.subject)
        if due is None or not filed:
            continue
        ready = max(due, filed[0].appended_ms)
        if record.appended_ms > _latest(e, ready):
            yield Anomaly(
                "slow-breach", f"complaint {record.subject}: {record.place}, {record.appended_ms - ready:.0f} ms late"
            )


def _latest(e: Evidence, ready: float) -> float:
    """When a breach that could be said at `ready` must have been said."""
    held_up = [healed + RECOVERY_MS for start, healed in e.faults if start - PROMPT_MS <= ready <= healed + RECOVERY_MS]
    return max([ready + PROMPT_MS, *held_up])
