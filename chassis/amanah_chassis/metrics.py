"""Every metric of the chassis, declared once with its kind and meaning. Labels stay low: never an id."""

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("amanah_records_total", "Records read from Kafka, by what became of them.", ["topic", "outcome"])
BATCH_SECONDS = Histogram("amanah_batch_seconds", "One batch, from decoding to commit.")
LAG_SECONDS = Gauge("amanah_consumer_lag_seconds", "Age of the newest record applied, at commit.", ["topic"])
RETRIES = Counter("amanah_batch_retries_total", "Batches tried again because the world was at fault.", ["error"])
DEAD_LETTERS = Counter("amanah_dlq_total", "Records dead-lettered.", ["topic", "reason"])
DEAD_LETTER_DEPTH = Gauge("amanah_dlq_depth", "Dead letters not yet replayed.")
PARKED = Gauge("amanah_seq_parked", "Records set aside until their turn comes.")
PARKED_OLDEST = Gauge("amanah_seq_parked_oldest_seconds", "Age of the oldest record set aside.")
PUBLISHED = Counter("amanah_published_total", "Events that Kafka acknowledged.", ["topic"])
PUBLISH_FAILURES = Counter(
    "amanah_publish_failures_total", "Sends that failed; the events stay in the outbox.", ["error"]
)
OUTBOX_UNSENT = Gauge(
    "amanah_outbox_unpublished",
    "Events committed and not yet acknowledged by Kafka; 100,000 and more count as so many.",
)
OUTBOX_OLDEST = Gauge("amanah_outbox_oldest_age_seconds", "Age of the oldest of them.")
OUTBOX_HELD_BACK = Gauge(
    "amanah_outbox_held_back", "Topics and streams passed over because Kafka does not take them.", ["reason"]
)
PRUNED = Counter("amanah_rows_pruned_total", "Rows deleted because their term is over.", ["table"])
HTTP_SECONDS = Histogram("amanah_http_request_duration_seconds", "HTTP requests.", ["route", "code"])
