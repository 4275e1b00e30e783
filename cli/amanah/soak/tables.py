"""Which tables have a term, and which keep a complaint's rows; docs/retention.md says why."""

from amanah.soak.verdict import BESIDE, PRUNED, STILL

HAVE_A_TERM = frozenset({"chassis_outbox", "chassis_dead_letter", "intake_idempotency", "notifier_delivery"})
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
        "complaint",
        "case",
        "action",
        "casefile",
        "deadline",
        "fired",
        "notifier_complaint",
        "notifier_answer",
    }
)
"""They grow with complaints; what must not grow is what they hold for each."""


def kind(table: str) -> str:
    if table in HAVE_A_TERM:
        return PRUNED
    return BESIDE if table in KEPT else STILL
