"""What a log itself proves, in a few lines that share nothing with the system: csv, datetime and zoneinfo only."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def breaches(log: Path) -> dict[str, datetime]:
    """Number of each row that breaches, and its due instant."""
    rows = [
        (row["Unique Key"], _at(row["Created Date"]), _at(row["Closed Date"]), _at(row["Due Date"]))
        for row in csv.DictReader(log.open(encoding="utf-8"))
    ]
    end = max(instant for _, *instants in rows for instant in instants if instant)
    return {
        number: due
        for number, filed, closed, due in rows
        if filed and due and due <= end and not (closed and filed <= closed <= due)
    }


def _at(text: str) -> datetime | None:
    if not text:
        return None
    return datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=NEW_YORK).astimezone(UTC)
