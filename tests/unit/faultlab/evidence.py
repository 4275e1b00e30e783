"""Hand-made evidence: one complaint in a world where all went well, and words to spoil it with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from amanah.faultlab.checker import check
from amanah.faultlab.model import Anomaly, Notice, Op, Record, Rows

C, REF, KEY, AGENCY, MAIL, TOKEN = (
    "c-1",
    "F0-1-1",
    "key-1",
    "dot",
    "cnry00000000000a@citizen.invalid",
    "cnry00000000000a",
)
START = 1_000_000
"""Milliseconds at which the complaint is filed."""
END = START + 60_000
LEDGER = {"complaint.submitted": "intake", "complaint.routed": "routing", "deadline": "sla_monitor", "case": "casework"}


@dataclass
class World:
    """What the checker is given; to be spoilt by a test."""

    ops: list[Op] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    notices: list[Notice] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))
    _offsets: dict[str, int] = field(default_factory=dict)

    def op(self, f: str, kind: str, value: dict[str, Any], at_ms: float = START) -> Op:
        made = Op("p", next(self._ids), kind, f, value, 0, at_ms / 1000)
        self.ops.append(made)
        return made

    def file(self, kind: str = "ok", complaint: str | None = C, due_ms: int | None = None, **more: Any) -> None:
        """An attempt and its outcome."""
        value = {"key": KEY, "source_ref": REF, "agency": AGENCY, "due_ms": due_ms, "email": MAIL, "canaries": (TOKEN,)}
        value |= more
        invoked = self.op("file", "invoke", value)
        self.ops.append(replace(invoked, type=kind, value=value | {"complaint_id": complaint}))

    def record(self, topic: str, kind: str, at_ms: int, sequence: int = 1, subject: str = C, **body: Any) -> Record:
        """A record at the end of a topic."""
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        source = f"amanah.{next((s for stem, s in LEDGER.items() if kind.startswith(stem)), 'agency')}"
        made = Record(
            topic, 0, offset, at_ms, kind, f"{kind}-{topic}-{offset}", source, subject, sequence,
            {"complaint_id": subject} | body,
        )  # fmt: skip
        self.records.append(made)
        return made

    def order(self, verb: str, at_ms: int, agency: str = AGENCY) -> Record:
        """An order, which the broker acknowledged."""
        made = self.record(f"amanah.agency.{agency}.replies", f"case.{verb}.v1", at_ms, 0)
        value = {"complaint_id": C, "agency": agency, "verb": verb, "order_id": made.id, "place": made.place}
        self.op("order", "ok", value, at_ms)
        return made

    def breach(self, at_ms: int, sequence: int = 2, **body: Any) -> Record:
        body = {"stage": "resolution", "holder": 0, "deadline_version": 1, "threshold": "due", "agency": AGENCY} | body
        return self.record("amanah.deadlines", "deadline.breached.v1", at_ms, sequence, **body)

    def tell(self, about: str, *targets: str, tag: str = "") -> None:
        """A notice for each target."""
        self.notices += [Notice(f"{about}{target}{tag}", target, C, about) for target in targets]

    def found(self) -> list[Anomaly]:
        return check(self.ops, self.records, self.rows, self.notices, self.logs)

    def names(self) -> list[str]:
        return sorted({anomaly.name for anomaly in self.found()})


def filed(due_ms: int | None = None) -> World:
    """Filed, routed, told to the citizen, at rest."""
    world = World()
    world.file(due_ms=due_ms)
    world.rows = Rows(complaints={C: REF})
    world.record("amanah.complaints", "complaint.submitted.v1", START + 10, source_ref=REF)
    world.record("amanah.assignments", "complaint.routed.v1", START + 20, agency=AGENCY)
    world.record(f"amanah.agency.{AGENCY}", "complaint.routed.v1", START + 20, agency=AGENCY)
    world.tell("complaint.routed.v1", MAIL)
    world.op("drain", "ok", {"seconds": 1.0}, END)
    return world


def resolved(at_ms: int, due_ms: int | None) -> World:
    """Filed, and resolved by an order that the broker stamped `at_ms`."""
    world = filed(due_ms)
    world.order("resolve", at_ms)
    world.record("amanah.cases", "case.resolved.v1", at_ms + 10)
    world.tell("case.resolved.v1", MAIL)
    return world


def breached(due_ms: int = START + 5_000, said_ms: int = START + 5_050) -> World:
    """Filed, due, and said to all that it passed unmet."""
    world = filed(due_ms)
    world.record("amanah.deadlines", "deadline.started.v1", START + 30, stage="resolution")
    world.breach(said_ms)
    world.tell("deadline.breached.v1", MAIL, f"/agency/{AGENCY}", f"superior+{AGENCY}@sink.invalid", "/ombudsman")
    return world


def without(records: Sequence[Record], kind: str) -> list[Record]:
    """All but those of one type."""
    return [record for record in records if record.type != kind]
