"""Of which tables rows come and go, and which keep a complaint's rows; docs/retention.md says why."""

from amanah.soak.verdict import BESIDE, PASSING, STILL

COME_AND_GO = frozenset(
    {"chassis_outbox", "chassis_dead_letter", "chassis_parked", "intake_idempotency", "notifier_delivery"}
)
KEPT = frozenset(
    {
        "chassis_stream",
        "chassis_position",
        "intake_complaint",
        "intake_data_key",
        "intake_identity",
        "intake_original",
        "intake_fact",
        "intake_deadline",
        "intake_identity_read",
        "complaint",
        "case",
        "action",
        "casefile",
        "deadline",
        "fired",
        "published_gap",
        "notifier_complaint",
        "notifier_answer",
    }
)
"""They grow with complaints; what must not grow is what they hold for each."""


def kind(table: str) -> str:
    if table in COME_AND_GO:
        return PASSING
    return BESIDE if table in KEPT else STILL
