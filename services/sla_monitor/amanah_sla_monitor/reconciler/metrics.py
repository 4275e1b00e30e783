"""Metrics of the second pair of eyes."""

from prometheus_client import Counter, Gauge

RECOUNTED = Counter("amanah_recounted_cases_total", "Cases counted again by the second pair of eyes.")
GAPS = Counter("amanah_oversight_gaps_total", "Differences published as oversight.gap.", ["reason"])
TICKER_SILENCE = Gauge(
    "amanah_ticker_silence_seconds", "Since any ticker of this deployment has last looked, by the table `heartbeat`."
)
