"""Every metric of `intake`, declared once. Labels stay low: never an id."""

from prometheus_client import Counter

ACCEPTED = Counter("amanah_complaints_accepted_total", "Complaints committed.", ["channel"])
REJECTED = Counter("amanah_complaints_rejected_total", "Filings refused, by the problem's kind.", ["reason"])
REPEATED = Counter("amanah_complaints_idempotent_replays_total", "Filings answered from memory, by Idempotency-Key.")
IDENTITY_READS = Counter("amanah_pii_reads_total", "Contacts asked for, by the role that asked.", ["role", "given"])
