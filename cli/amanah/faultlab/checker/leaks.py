"""What was planted in names, addresses and telephone numbers is found nowhere but where it belongs."""

from collections.abc import Iterable, Iterator

from amanah.faultlab.checker.case import Evidence
from amanah.faultlab.model import CANARY, Anomaly


def canaries(e: Evidence) -> Iterator[Anomaly]:
    """Kafka, dead letters, logs, traces and metrics hold no person. A citizen's own mail may."""
    planted = {token for filing in e.filings.values() for token in filing.get("canaries", ())}
    for place, text in _texts(e):
        for token in sorted(set(CANARY.findall(text)) & planted):
            yield Anomaly("pii-leak", f"{token} in {place}")


def _texts(e: Evidence) -> Iterable[tuple[str, str]]:
    yield from ((record.place, record.text) for record in e.all_records)
    yield from e.rows.texts.items()
    yield from e.logs.items()
