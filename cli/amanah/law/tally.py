"""Whom another law moves: counted by agency and stage, with the first of them by name. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from amanah_sla_monitor.domain.diff import Decision, What

MOVED = (What.RECALCULATED, What.STARTED, What.CANCELLED)
"""What a law does to a clock that runs; pauses and ends that it brings about follow one of these."""


@dataclass(slots=True)
class Tally:
    """`limit`: how many moves are named."""

    limit: int
    complaints: int = 0
    by_place: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By agency (empty: nobody holds it yet), stage, and `later`, `earlier`, `started`, `cancelled`, `breached`."""
    moves: list[dict[str, Any]] = field(default_factory=list)

    def add(self, complaints: int, decisions: Iterable[tuple[UUID, Decision]]) -> None:
        """One batch."""
        self.complaints += complaints
        for complaint_id, decision in decisions:
            row = decision.row
            if decision.what in (*MOVED, What.BREACHED):
                self.by_place[row.agency or "", row.stage, _kind(decision)] += 1
            if decision.what in MOVED and len(self.moves) < self.limit:
                self.moves.append(_move(complaint_id, decision))

    def merge(self, other: "Tally") -> None:
        """What another process has counted."""
        self.complaints += other.complaints
        self.by_place += other.by_place
        self.moves = (self.moves + other.moves)[: self.limit]

    @property
    def moved(self) -> int:
        """Clocks, each once."""
        return sum(count for (_, _, kind), count in self.by_place.items() if kind != What.BREACHED)

    def as_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        places = sorted({(agency, stage) for agency, stage, _ in self.by_place})
        kinds = ("later", "earlier", "started", "cancelled", "breached")
        return {
            "complaints": self.complaints,
            "moved": self.moved,
            "by_agency_and_stage": [
                {"agency": agency or None, "stage": stage}
                | {kind: self.by_place[agency, stage, kind] for kind in kinds}
                for agency, stage in places
            ],
            "moves": self.moves,
        }


def _kind(decision: Decision) -> str:
    before, after = decision.previous_due_at, decision.due_at
    if decision.what is not What.RECALCULATED:
        return decision.what.value
    return "earlier" if before is not None and after is not None and after < before else "later"


def _move(complaint_id: UUID, decision: Decision) -> dict[str, Any]:
    row = decision.row
    return {
        "complaint": str(complaint_id),
        "stage": row.stage,
        "holder": row.holder,
        "agency": row.agency,
        "what": decision.what.value,
        "why": decision.why,
        "due_at_before": decision.previous_due_at.isoformat() if decision.previous_due_at else None,
        "due_at": row.due_at.isoformat() if row.due_at else None,
        "rule": row.rule,
        "rule_version": row.rule_version,
        "calendar": row.calendar,
    }
