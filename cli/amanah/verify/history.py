"""What an outside client did and was told: `history.jsonl`, one JSON object a line.

`op` is `file` (a 201: source_id, complaint_id, created_at, due_at, closed_at as the log has them), `close` (an order was
handed to the broker), `poison` (a record that is no event was put on a topic on purpose: place) or `end` (at: the last
instant of the log; its absence says that the client was cut off).
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from amanah.fault import Fault


@dataclass(frozen=True, slots=True)
class Filing:
    """One acknowledged filing, and what the log says of it. Instants carry their zone."""

    source_id: str
    complaint_id: str
    created: datetime
    due: datetime | None
    closed: datetime | None

    def breaches(self, end: datetime) -> bool:
        """Whether the log itself proves a breach by `end`: no closing by the due instant that could count."""
        if self.due is None or self.due > end:
            return False
        return self.closed is None or self.closed > self.due or self.closed < self.created


@dataclass(slots=True)
class History:
    """The client's own record."""

    filings: list[Filing] = field(default_factory=list)
    poisons: set[str] = field(default_factory=set)
    """Where in Kafka a client put what cannot be read."""
    end: datetime | None = None


def read(path: Path) -> History:
    """Raises Fault for a line that is not a history's."""
    history = History()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            _take(history, json.loads(line))
        except (ValueError, KeyError, TypeError) as wrong:
            raise Fault(f"{path}, line {number} is not of a history: {type(wrong).__name__} {wrong}") from None
    return history


def _take(history: History, entry: dict[str, Any]) -> None:
    match entry["op"]:
        case "file":
            history.filings.append(
                Filing(
                    entry["source_id"],
                    entry["complaint_id"],
                    datetime.fromisoformat(entry["created_at"]),
                    _instant(entry["due_at"]),
                    _instant(entry["closed_at"]),
                )
            )
        case "poison":
            history.poisons.add(entry["place"])
        case "end":
            history.end = datetime.fromisoformat(entry["at"])


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
