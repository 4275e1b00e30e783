"""All that is known of each complaint, side by side."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from amanah.faultlab.model import Notice, Op, Record, Rows

SUBMITTED, ROUTED = "complaint.submitted.v1", "complaint.routed.v1"
BREACHED, WITHDRAWN = "deadline.breached.v1", "deadline.breach_withdrawn.v1"
RESOLVE, RESOLVED = "case.resolve.v1", "case.resolved.v1"
OPEN = frozenset({"assigned", "acknowledged", "replied"})
LEADS = {
    "case.acknowledge.v1": (frozenset({"assigned"}), "acknowledged"),
    "case.reply.v1": (OPEN, "replied"),
    RESOLVE: (OPEN, "resolved"),
}
"""An agency's order: the states in which it is possible, and the state it leads to."""


Key = tuple[str, str, int, int, str]
"""Complaint, stage, holder, deadline version and threshold: what may breach once."""


class Evidence:
    """Kafka's records without those that lie there a second time under one id, and the questions that checks ask. Where
    Kafka once lost what it had, `records` are those of all its lives together, each id where it lay first: what somebody
    may have acted upon."""

    def __init__(
        self,
        history: Sequence[Op],
        records: Sequence[Record],
        rows: Rows,
        notices: Sequence[Notice],
        logs: Mapping[str, str],
    ) -> None:
        self.history = history
        self.rows = rows
        self.notices = notices
        self.logs = logs
        self.all_records = records
        poisons = {op.value["place"] for op in self.ops("poison", "ok")}
        self._events = [record for record in records if record.type and record.place not in poisons]
        self.records = _first(self._events)

    @cached_property
    def lives(self) -> list[list[Record]]:
        """What lay in Kafka each time before it lost all of it, and what lies there now; each id once in each."""
        last = max((record.life for record in self._events), default=0)
        return [_first([record for record in self._events if record.life == n]) for n in range(last + 1)]

    def ops(self, f: str, *types: str) -> list[Op]:
        return [op for op in self.history if op.f == f and op.type in types]

    @cached_property
    def filings(self) -> Mapping[str, Mapping[str, Any]]:
        """source_ref to what was filed under it; every attempt of one key says the same."""
        return {op.value["source_ref"]: op.value for op in self.ops("file", "invoke")}

    @cached_property
    def refused(self) -> set[str]:
        """Filings whose every attempt failed for certain."""
        fate: dict[str, set[str]] = defaultdict(set)
        attempts: dict[str, int] = defaultdict(int)
        for op in self.ops("file", "invoke"):
            attempts[op.value["source_ref"]] += 1
        ended: dict[str, int] = defaultdict(int)
        for op in self.ops("file", "ok", "fail", "info"):
            fate[op.value["source_ref"]].add(op.type)
            ended[op.value["source_ref"]] += 1
        return {ref for ref, kinds in fate.items() if kinds == {"fail"} and ended[ref] == attempts[ref]}

    @cached_property
    def acknowledged(self) -> Mapping[str, set[str]]:
        """source_ref to the complaint ids that were answered."""
        found: dict[str, set[str]] = defaultdict(set)
        for op in self.ops("file", "ok"):
            found[op.value["source_ref"]].add(op.value["complaint_id"])
        return found

    @cached_property
    def by_type(self) -> Mapping[str, list[Record]]:
        """On the owners' topics."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            if not record.topic.startswith("amanah.agency.") and record.topic != "amanah.ombudsman":
                found[record.type].append(record)
        return found

    @cached_property
    def submitted(self) -> Mapping[str, list[Record]]:
        return _by_subject(self.by_type[SUBMITTED])

    @cached_property
    def routed(self) -> Mapping[str, list[Record]]:
        return _by_subject(self.by_type[ROUTED])

    @cached_property
    def holder(self) -> Mapping[str, str]:
        """Complaint to its agency, as it was named at filing."""
        return {complaint: self.filed_as(complaint).get("agency", "") for complaint in self.submitted}

    def filed_as(self, complaint: str) -> Mapping[str, Any]:
        """What was filed under this id; empty when nobody filed it."""
        return self.filings.get(self._refs.get(complaint) or "", {})

    @cached_property
    def _refs(self) -> Mapping[str, str | None]:
        answered = {complaint: ref for ref, ids in self.acknowledged.items() for complaint in ids}
        said = {complaint: events[0].body.get("source_ref") for complaint, events in self.submitted.items()}
        return {**said, **self.rows.complaints, **answered}

    @cached_property
    def orders(self) -> Mapping[str, list[Record]]:
        """Orders of each complaint as its own agency wrote them, in the broker's order, each id once."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            if record.topic.endswith(".replies") and record.type in LEADS:
                agency = record.topic.removeprefix("amanah.agency.").removesuffix(".replies")
                if agency == self.holder.get(record.subject):
                    found[record.subject].append(record)
        return {complaint: sorted(orders, key=lambda r: (r.life, r.offset)) for complaint, orders in found.items()}

    def effects(self, complaint: str) -> list[Record]:
        """The orders of a complaint that change its state, by the table of transitions."""
        state, done = "assigned", []
        for order in self.orders.get(complaint, ()):
            possible, after = LEADS[order.type]
            if state in possible:
                state = after
                done.append(order)
        return done

    def stopped_ms(self, complaint: str) -> int | None:
        """When the broker received the order that settled it. One that was given again, because Kafka had lost it, has
        several such stamps: then that of them counts which the desk says, and the first if it says none of them."""
        order = next((order for order in self.effects(complaint) if order.type == RESOLVE), None)
        if order is None:
            return None
        stamps = self._stamps.get((order.topic, order.id), {order.appended_ms})
        said = {_milliseconds(event.body.get("received_at")) for event in self.resolved.get(complaint, ())}
        return min(stamps & said, default=order.appended_ms)

    @cached_property
    def resolved(self) -> Mapping[str, list[Record]]:
        return _by_subject(self.by_type[RESOLVED])

    @cached_property
    def _stamps(self) -> Mapping[tuple[str, str], set[int]]:
        """The broker's stamps of one order over the lives of Kafka, its first in each."""
        found: dict[tuple[str, str], set[int]] = defaultdict(set)
        for life in self.lives:
            for record in life:
                if record.topic.endswith(".replies"):
                    found[record.topic, record.id].add(record.appended_ms)
        return found

    @cached_property
    def breaches(self) -> Mapping[Key, list[Record]]:
        """Breaches and withdrawals as their source said them, one after the other."""
        said: dict[Key, list[Record]] = defaultdict(list)
        for kind in (BREACHED, WITHDRAWN):
            for record in self.by_type[kind]:
                body = record.body
                key = (record.subject, str(body.get("stage")), int(body.get("holder", 0)))
                said[(*key, int(body.get("deadline_version", 1)), str(body.get("threshold", "due")))].append(record)
        return {key: sorted(records, key=lambda record: record.sequence) for key, records in said.items()}

    @cached_property
    def ended_ms(self) -> float:
        """When the evidence was taken."""
        return max((op.wall for op in self.history), default=0.0) * 1000

    @cached_property
    def faults(self) -> list[tuple[float, float]]:
        """From when to when, in milliseconds, a fault was there; one that was not healed lasts."""
        spans: list[tuple[float, float]] = []
        for op in self.ops("nemesis", "info"):
            if op.value["what"] == "start":
                spans.append((op.wall * 1000, float("inf")))
            elif op.value["what"] == "heal" and spans:
                spans[-1] = (spans[-1][0], op.wall * 1000)
        return spans


def _first(records: Sequence[Record]) -> list[Record]:
    """Each event of a topic once: where it lay first."""
    found: dict[tuple[str, str], Record] = {}
    for record in sorted(records, key=lambda record: record.life):
        found.setdefault((record.topic, record.id), record)
    return list(found.values())


def _milliseconds(instant: Any) -> int | None:
    """As the broker stamps it; None for what is no instant."""
    try:
        return round(datetime.fromisoformat(str(instant)).timestamp() * 1000)
    except ValueError:
        return None


def _by_subject(records: Sequence[Record]) -> Mapping[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.subject].append(record)
    return found
