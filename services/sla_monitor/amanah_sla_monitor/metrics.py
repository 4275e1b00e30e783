"""Metrics of `sla_monitor`, each declared once with its kind and meaning. No label is an id."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from amanah_sla_monitor.store import Due

BREACHES = Counter("amanah_breaches_total", "Deadlines that the ticker found passed unmet.", ["stage", "agency"])
DETECTION_DELAY = Histogram(
    "amanah_breach_detection_delay_seconds",
    "From the due instant to its detection; the latest of each batch.",
    buckets=(0.005, 0.01, 0.03, 0.1, 0.25, 1, 5, 30, 60, 600, 3600),
)
SCAN_AGE = Gauge("amanah_deadline_scan_age_seconds", "Since the ticker last looked for due clocks.")


def observe_breaches(fired: Sequence[Due], detected_at: datetime) -> None:
    """Counts a batch of breaches; the first of it waited longest."""
    for (stage, agency), count in Tally((due.stage, due.agency or "") for due in fired).items():
        BREACHES.labels(stage, agency).inc(count)
    DETECTION_DELAY.observe((detected_at - fired[0].due_at).total_seconds())
