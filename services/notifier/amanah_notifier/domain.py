"""Who is told of what: pure decisions, no I/O and no clock.

pending ──accepted──► sent
   │  ├──schedule used up, refused for good, endpoint gone──► failed        (NoticeFailed: a person must look)
   │  ├──the citizen has no contact──────────────────────────► not_wanted
   │  └──what it says is no longer true, never sent──────────► superseded
   └──failed attempt──► pending, later
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

NOTICES = uuid5(NAMESPACE_URL, "urn:amanah:notice")
"""Namespace of every notice id. Never changes: the ids of years ago must come out the same at a replay."""

BREACH, WITHDRAWAL = "deadline.breached", "deadline.breach_withdrawn"


class Recipient(StrEnum):
    """The roles that may be told."""

    AGENCY = "agency"
    SUPERIOR = "superior"
    OMBUDSMAN = "ombudsman"
    CITIZEN = "citizen"


class Channel(StrEnum):
    WEBHOOK = "webhook"
    EMAIL = "email"


_OF_ANY = frozenset({"tracking_code", "agency"})
_OF_CLOCK = _OF_ANY | {"due_at", "threshold", "source_ref"}
FACTS: Mapping[str, frozenset[str]] = {
    "complaint.routed": _OF_ANY | {"assignment"},
    "case.replied": _OF_ANY | {"source_ref"},
    "case.resolved": _OF_ANY | {"source_ref"},
    BREACH: _OF_CLOCK | {"stage", "breached_at", "detected_at"},
    WITHDRAWAL: _OF_CLOCK | {"stage"},
}
"""What may be told of, and what a notice may say about it: never a narrative, a reply or a person. Every name always has a
value, empty where there is none; a name ending in `_at` holds an ISO instant."""

IN_SUBJECT = frozenset({"tracking_code", "agency", "stage"})
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
    """With `{agency}` where the agency's code belongs, or CONTACT."""


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


def clock_occasion(stage: str, version: int, threshold: str, holder: int) -> str:
    """Tells one breach from another: a recalculated deadline, a later level or a next holder is told anew."""
    return f"{stage}/{version}/{threshold}/{holder}"


def nth_time(occasion: str, withdrawn: int) -> str:
    """A breach that was withdrawn and comes true after all, at a later instant, is told anew."""
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
    """A withdrawal goes to those who were told of the breach and to nobody else, also when the case has moved since."""
    notices = {
        notice.id: notice
        for earlier in told
        for notice in decide(replace(happening, agency=earlier.agency, occasion=earlier.occasion), complaint, plan)
        if (notice.recipient, notice.channel) == (earlier.recipient, earlier.channel)
    }
    return list(notices.values())


def _entitled(telling: Telling, happening: Happening, complaint: Complaint) -> bool:
    if telling.recipient is Recipient.OMBUDSMAN:
        return True
    if complaint.restricted:
        return False
    if telling.recipient is Recipient.CITIZEN:
        return complaint.contactable
    # A complaint in triage has no agency yet, and so no superior: there is nobody to tell.
    return happening.agency is not None


def _notice(happening: Happening, complaint: Complaint, telling: Telling) -> Notice:
    recipient = label(telling.recipient, happening.agency)
    return Notice(
        id=notice_id(complaint.id, happening.stem, happening.occasion, recipient, telling.channel),
        complaint_id=complaint.id,
        stem=happening.stem,
        about=happening.about,
        occasion=happening.occasion,
        recipient=recipient,
        agency=happening.agency,
        stage=happening.stage,
        channel=telling.channel,
        address=telling.address.replace("{agency}", happening.agency or ""),
        template=telling.template,
        facts={"tracking_code": complaint.tracking_code, "agency": happening.agency or "", **happening.facts},
        traceparent=happening.traceparent,
    )


def label(recipient: Recipient, agency: str | None) -> str:
    """How a recipient is named in events and ids: `agency:dot`, `superior:dot`, `ombudsman`, `citizen`."""
    return f"{recipient}:{agency}" if recipient in {Recipient.AGENCY, Recipient.SUPERIOR} else str(recipient)


def audience(recipient: str) -> str:
    """The role within a label; a metric's label, so never a code or an id."""
    return recipient.partition(":")[0]
