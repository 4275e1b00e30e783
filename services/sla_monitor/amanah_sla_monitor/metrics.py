"""Metrics of `sla_monitor`, each declared once with its kind and meaning. No label is an id."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from amanah_sla_monitor.domain.marks import AT_RISK, DUE, level_of
from amanah_sla_monitor.store import Fired

BREACHES = Counter("amanah_breaches_total", "Deadlines that the ticker found passed unmet.", ["stage", "agency"])
WARNINGS = Counter("amanah_warnings_total", "Deadlines said to be at risk.", ["stage", "agency"])
ESCALATIONS = Counter(
    "amanah_escalations_total",
    "Levels reached unanswered; `impossible`: there was nobody to call upon.",
    ["level", "outcome"],
)
DETECTION_DELAY = Histogram(
    "amanah_breach_detection_delay_seconds",
    "From the instant of a breach, warning or level to its detection; the latest of each batch.",
    buckets=(0.005, 0.01, 0.03, 0.1, 0.25, 1, 5, 30, 60, 600, 3600),
)
LAW_NOT_APPLIED = Gauge("amanah_law_not_applied", "1 while the law of the pack is not the one applied last.")
SCAN_AGE = Gauge("amanah_deadline_scan_age_seconds", "Since the ticker last looked for due clocks.")


def observe(fired: Sequence[Fired], detected_at: datetime) -> None:
    """Counts a batch of what the ticker has said; the first of it waited longest."""
    for (stage, agency), count in Tally((f.stage, f.agency or "") for f in fired if f.mark == DUE).items():
        BREACHES.labels(stage, agency).inc(count)
    for mark in fired:
        if mark.mark.startswith(AT_RISK):
            WARNINGS.labels(mark.stage, mark.agency or "").inc()
        elif mark.mark != DUE:
            level = level_of(mark.mark)
            ESCALATIONS.labels(str(level.number), "impossible" if level.why_not else "raised").inc()
    DETECTION_DELAY.observe((detected_at - fired[0].at).total_seconds())
