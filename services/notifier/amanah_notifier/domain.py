"""Who is told of what: pure decisions, no I/O and no clock.

pending ──accepted──► sent
   │  ├──schedule used up, refused for good, endpoint gone──► failed        (NoticeFailed: a person must look)
   │  ├──the citizen has no contact──────────────────────────► not_wanted
   │  └──no longer true, or answered meanwhile; not sent─────► superseded
   └──failed attempt──► pending, later
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

NOTICES = uuid5(NAMESPACE_URL, "urn:amanah:notice")
"""Namespace of every notice id. Never changes: the ids of years ago must come out the same at a replay."""

AT_RISK, BREACH, WITHDRAWAL = "deadline.at_risk", "deadline.breached", "deadline.breach_withdrawn"
RAISED, IMPOSSIBLE = "escalation.raised", "escalation.impossible"
LEVELS = frozenset({RAISED, IMPOSSIBLE})
BETWEEN_OFFICES = LEVELS | {AT_RISK}
"""What is not the citizen's business."""

OVERTAKES: Mapping[str, frozenset[str]] = {
    "deadline.met": frozenset({AT_RISK}),
    "deadline.recalculated": frozenset({AT_RISK}),
    BREACH: frozenset({AT_RISK}),
    "deadline.cancelled": frozenset({AT_RISK, BREACH}) | LEVELS,
}
"""Which notices about a clock each later event about the same clock makes needless. A withdrawal does so for the breach and
its levels, and corrects what was told. A correction itself is never needless."""


class Recipient(StrEnum):
    """The roles that may be told. `office` is whoever answers on a level of escalation."""

    AGENCY = "agency"
    SUPERIOR = "superior"
    OFFICE = "office"
    OMBUDSMAN = "ombudsman"
    CITIZEN = "citizen"


class Channel(StrEnum):
    WEBHOOK = "webhook"
    EMAIL = "email"


_OF_ANY = frozenset({"tracking_code", "agency"})
_OF_CLOCK = _OF_ANY | {"stage", "due_at", "source_ref"}
_OF_LEVEL = _OF_CLOCK | {"level", "role", "escalated_at", "detected_at"}
FACTS: Mapping[str, frozenset[str]] = {
    "complaint.routed": _OF_ANY | {"assignment"},
    "case.replied": _OF_ANY | {"source_ref"},
    "case.resolved": _OF_ANY | {"source_ref"},
    "case.information_requested": _OF_ANY | {"source_ref"},
    "case.extended": _OF_ANY | {"source_ref"},
    AT_RISK: _OF_CLOCK | {"threshold", "at_risk_at", "detected_at"},
    BREACH: _OF_CLOCK | {"threshold", "breached_at", "detected_at"},
    WITHDRAWAL: _OF_CLOCK | {"threshold"},
    RAISED: _OF_LEVEL | {"office"},
    IMPOSSIBLE: _OF_LEVEL | {"reason"},
}
"""What may be told of, and what a notice may say about it: never a narrative, a reply or a person. Every name always has a
value, empty where there is none; a name ending in `_at` holds an ISO instant."""

IN_SUBJECT = frozenset({"tracking_code", "agency", "stage", "level"})
"""What a subject line may say: only words that come from this system or its pack, never from outside."""

CONTACT = "contact"
"""The address of a citizen in the plan: asked from intake at the moment of sending, never stored here."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One line of the pack's plan: on this event, tell this recipient by this channel in these words."""

    recipient: Recipient
    channel: Channel
    template: str
    address: str
    """With `{agency}`, `{role}`, `{office}` where those belong, or CONTACT."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Tellings by the stem of the event that they answer."""

    tellings: Mapping[str, tuple[Telling, ...]]

    def of(self, stem: str) -> tuple[Telling, ...]:
        return self.tellings.get(stem, ())


@dataclass(frozen=True, slots=True)
class Complaint:
    """What has to be known of a complaint before anybody is told about it."""

    id: UUID
    tracking_code: str
    contactable: bool
    restricted: bool
    """Filed by a whistle-blower: only the Ombudsman is told, and no mail goes out by itself."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event in the words of notices. `occasion` tells it from others of its kind about the same complaint."""

    complaint_id: UUID
    stem: str
    about: str
    occasion: str
    agency: str | None
    stage: str | None = None
    holder: int | None = None
    """Of the clock concerned; 0 is the citizen's own, which every agency's answer ends."""
    role: str | None = None
    office: str | None = None
    """Who is called upon, and where that role sits; only of a level."""
    ended_by: tuple[str, ...] = ()
    since: datetime | None = None
    """An answer of one of these stems, received after this instant, leaves nothing to tell of."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the words and the webhook's body may say, by name: see FACTS."""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell to one recipient by one channel."""

    id: UUID
    complaint_id: UUID
    stem: str
    about: str
    occasion: str
    recipient: str
    agency: str | None
    stage: str | None
    holder: int | None
    ended_by: tuple[str, ...]
    since: datetime | None
    channel: Channel
    address: str
    template: str
    facts: Mapping[str, str]
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """An earlier notice that its recipient has, or may have, received."""

    recipient: str
    channel: Channel
    agency: str | None
    occasion: str
    stem: str = BREACH
    role: str | None = None
    office: str | None = None


class Clock(NamedTuple):
    """Names one clock."""

    complaint_id: UUID
    stage: str
    holder: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Something an agency did that may end a clock. `action` is the desk's id of it, by which it may be taken back."""

    complaint_id: UUID
    event_id: UUID
    stem: str
    agency: str
    received_at: datetime
    action: UUID | None


def clock_occasion(stage: str, version: int, threshold: str, holder: int) -> str:
    """Tells one breach from another: a recalculated deadline, a later level or a next holder is told anew."""
    return f"{stage}/{version}/{threshold}/{holder}"


def nth_time(occasion: str, withdrawn: int) -> str:
    """What was withdrawn and comes true after all, at a later instant, is told anew."""
    return f"{occasion}#{withdrawn + 1}" if withdrawn else occasion


def notice_id(complaint_id: UUID, stem: str, occasion: str, recipient: str, channel: Channel) -> UUID:
    """The stable id. The same event always gives the same ids, so a redelivery inserts nothing and a retry repeats one."""
    return uuid5(NOTICES, "|".join((str(complaint_id), stem, occasion, recipient, channel)))


def decide(happening: Happening, complaint: Complaint, plan: Plan) -> list[Notice]:
    """Every notice that this happening calls for."""
    return [
        _notice(happening, complaint, telling)
        for telling in plan.of(happening.stem)
        if _entitled(telling, happening, complaint)
    ]


def decide_withdrawal(happening: Happening, complaint: Complaint, plan: Plan, told: Iterable[Told]) -> list[Notice]:
    """A withdrawal goes once to each of those who were told of the breach, or of a level of it, and to nobody else, also
    when the case has moved since."""
    notices: dict[tuple[str, Channel], Notice] = {}
    for earlier in sorted(told, key=lambda t: (t.stem != BREACH, t.occasion)):
        about = replace(
            happening, agency=earlier.agency, occasion=earlier.occasion, role=earlier.role, office=earlier.office
        )
        for notice in decide(about, complaint, plan):
            way = (notice.recipient, notice.channel)
            if way == (earlier.recipient, earlier.channel):
                notices.setdefault(way, notice)
    return list(notices.values())


def _entitled(telling: Telling, happening: Happening, complaint: Complaint) -> bool:
    if telling.recipient is Recipient.OMBUDSMAN:
        # A level calls upon one office; where that is not the Ombudsman's, it is not told of the level.
        return happening.office in {None, Recipient.OMBUDSMAN}
    if complaint.restricted:
        return False
    if telling.recipient is Recipient.CITIZEN:
        return complaint.contactable
    if telling.recipient is Recipient.OFFICE:
        # The Ombudsman has an address of its own in the plan, and is not told twice.
        return happening.office not in {None, Recipient.OMBUDSMAN}
    # A complaint in triage has no agency yet, and so no superior: there is nobody to tell.
    return happening.agency is not None


def _notice(happening: Happening, complaint: Complaint, telling: Telling) -> Notice:
    recipient = label(telling.recipient, happening)
    return Notice(
        id=notice_id(complaint.id, happening.stem, happening.occasion, recipient, telling.channel),
        complaint_id=complaint.id,
        stem=happening.stem,
        about=happening.about,
        occasion=happening.occasion,
        recipient=recipient,
        agency=happening.agency,
        stage=happening.stage,
        holder=happening.holder,
        ended_by=happening.ended_by,
        since=happening.since,
        channel=telling.channel,
        address=_filled_in(telling.address, happening),
        template=telling.template,
        facts={"tracking_code": complaint.tracking_code, "agency": happening.agency or "", **happening.facts},
        traceparent=happening.traceparent,
    )


def _filled_in(address: str, happening: Happening) -> str:
    for name, value in (("agency", happening.agency), ("role", happening.role), ("office", happening.office)):
        address = address.replace(f"{{{name}}}", value or "")
    return address


def label(recipient: Recipient, happening: Happening) -> str:
    """The recipient's name in events and ids: `agency:dot`, `superior:dot`, `office:dot/head`, `ombudsman`, `citizen`."""
    if recipient is Recipient.OFFICE:
        return f"{recipient}:{happening.office}/{happening.role}"
    return f"{recipient}:{happening.agency}" if recipient in {Recipient.AGENCY, Recipient.SUPERIOR} else str(recipient)


def audience(recipient: str) -> str:
    """The role within a label; a metric's label, so never a code or an id."""
    return recipient.partition(":")[0]
