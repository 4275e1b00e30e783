"""Events that only `notifier` publishes."""

from typing import Annotated, ClassVar

from pydantic import Field

from amanah_contracts.envelope import Audience, Event
from amanah_contracts.vocabulary import AgencyCode


class NoticeEvent(Event):
    """What the events of one notice share. Never an address: only the recipient's role or code."""

    topic: ClassVar[str] = "amanah.notices"

    notice_id: Annotated[str, Field(description="Stable id, the same at every attempt (`webhook-id`, `Message-ID`).")]
    about: Annotated[str, Field(description="`ce_type` of the event told of.")]
    stage: Annotated[str | None, Field(description="The stage of the deadline, where the event is about one.")] = None
    recipient: Annotated[
        str, Field(description="`agency:dot`, `superior:dot`, `office:dot/head`, `ombudsman`, `citizen`.")
    ]
    channel: Annotated[str, Field(description="`webhook` or `email`.")]
    template: Annotated[str, Field(description="Template id and version, such as `deadline.breached@1`.")]
    attempts: Annotated[int, Field(ge=0, description="How often it was tried; 0 when there was nowhere to send it.")]


class NoticeSent(NoticeEvent):
    """The recipient's system accepted the notice."""

    stem: ClassVar[str] = "notice.sent"


class NoticeFailed(NoticeEvent):
    """Every attempt of the published schedule failed, or there was nowhere to send it; a person must look."""

    stem: ClassVar[str] = "notice.failed"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.OMBUDSMAN})

    agency: AgencyCode | None = None
    reason: Annotated[str, Field(description="A stable word and, where there is one, the answer's status code.")]
