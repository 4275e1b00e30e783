"""What a citizen sees who follows a complaint by its secret."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from amanah_chassis.chassis import Chassis
from amanah_intake import store
from amanah_intake.domain import tracking
from amanah_intake.domain.standing import Fact, in_order, standing


async def follow(chassis: Chassis, secret: str) -> dict[str, Any] | None:
    """None for a secret that opens nothing. Whatever was sent is hashed and looked up alike, so time tells nothing."""
    async with chassis.pool.acquire() as db:
        complaint = await store.followed(db, tracking.hashed(secret))
        if complaint is None:
            return None
        facts = await store.facts_of(db, complaint.complaint_id)
        deadlines = await store.deadlines_of(db, complaint.complaint_id)
    return _shown(complaint, facts, deadlines)


def _shown(complaint: store.Followed, facts: Sequence[Fact], deadlines: Sequence[store.Deadline]) -> dict[str, Any]:
    stands = standing(facts)
    return {
        "complaint_id": str(complaint.complaint_id),
        "tracking_code": complaint.tracking_code,
        "status": stands.status.value,
        "agency": stands.agency,
        "submitted_at": complaint.submitted_at.isoformat(),
        "timeline": [
            {"what": "submitted", "at": complaint.submitted_at.isoformat(), "agency": None, "words": None},
            *(
                {"what": f.what.value, "at": f.occurred_at.isoformat(), "agency": f.agency, "words": f.words}
                for f in in_order(facts)
            ),
        ],
        "deadlines": [{"stage": d.stage, "due_at": _text(d.due_at), "state": d.state} for d in deadlines],
    }


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
