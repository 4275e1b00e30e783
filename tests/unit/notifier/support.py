"""Events and packs for the notifier's tests."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from amanah_chassis.batch import Delivered, Origin
from amanah_contracts.casework import CaseReplied, CaseResolved
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import DeadlineBreached, DeadlineBreachWithdrawn
from amanah_contracts.vocabulary import Channel

NYC311 = Path(__file__).parents[3] / "packs" / "nyc311"
DAY = datetime(2018, 3, 5, 14, 30, tzinfo=UTC)


def submitted(complaint_id: UUID, **more: Any) -> ComplaintSubmitted:
    facts = {"tracking_code": "AMN-7K2", "channel": Channel.WEB, "category": "Street Condition"}
    return ComplaintSubmitted(complaint_id=complaint_id, occurred_at=DAY, received_at=DAY, **facts | more)


def routed(complaint_id: UUID, **more: Any) -> ComplaintRouted:
    facts = {
        "agency": "dot",
        "assignment": 1,
        "rule": "by-name",
        "explanation": "named",
        "category": "Street Condition",
    }
    return ComplaintRouted(
        complaint_id=complaint_id, occurred_at=DAY, received_at=DAY, submitted_at=DAY, **facts | more
    )


def replied(complaint_id: UUID, **more: Any) -> CaseReplied:
    facts = {"agency": "dot", "reply": "CANARY-REPLY"}
    return CaseReplied(complaint_id=complaint_id, occurred_at=DAY, received_at=DAY, **facts | more)


def resolved(complaint_id: UUID, **more: Any) -> CaseResolved:
    facts = {"agency": "dot", "outcome": "CANARY-OUTCOME"}
    return CaseResolved(complaint_id=complaint_id, occurred_at=DAY, received_at=DAY, **facts | more)


def _clock(complaint_id: UUID) -> dict[str, Any]:
    clock = {"agency": "dot", "stage": "given", "rule": "given", "rule_version": "1", "due_at": DAY, "source_ref": "39"}
    return {"complaint_id": complaint_id, "occurred_at": DAY, "received_at": DAY} | clock


def breached(complaint_id: UUID, **more: Any) -> DeadlineBreached:
    return DeadlineBreached(**_clock(complaint_id) | {"breached_at": DAY, "detected_at": DAY} | more)


def withdrawn(complaint_id: UUID, **more: Any) -> DeadlineBreachWithdrawn:
    return DeadlineBreachWithdrawn(**_clock(complaint_id) | {"reason": "a reply received in time"} | more)


def delivered(event: Event) -> Delivered[Any]:
    origin = Origin(event.topic, 0, 0, DAY, None, (), None)
    return Delivered(event, uuid4(), "amanah.test", 1, origin, None, DAY)


def environment(pack: Path = NYC311, **more: Any) -> SimpleNamespace:
    """As much of the settings as reading a pack needs."""
    known = {"pack_folder": lambda: pack, "sink_url": "http://127.0.0.1:9", "webhook_allow_local": True}
    return SimpleNamespace(**known | more)
