"""Every metric of the service, declared once with its kind and meaning. Labels are roles and words, never an id."""

from prometheus_client import Counter, Gauge

PENDING = Gauge("amanah_notifications_pending", "Notices not yet settled.", ["audience", "channel"])
OLDEST_SECONDS = Gauge("amanah_notifications_oldest_age_seconds", "Age of the oldest of them.", ["audience", "channel"])
ATTEMPTS = Counter("amanah_notifications_attempts_total", "Attempts, by what they came to.", ["channel", "result"])
GIVEN_UP = Counter(
    "amanah_notifications_given_up_total", "Notices that a person must look at.", ["audience", "channel"]
)
SUPERSEDED = Counter(
    "amanah_notifications_superseded_total", "Notices not sent because events overtook them.", ["audience", "channel"]
)
ENDPOINTS_GONE = Gauge("amanah_notifications_endpoints_disabled", "Addresses that said 410; nothing is sent there.")
