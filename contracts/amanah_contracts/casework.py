"""Events that only `casework` publishes."""

from typing import Annotated, ClassVar

from pydantic import Field

from amanah_contracts.envelope import Audience, Event
from amanah_contracts.vocabulary import Actor, AgencyCode, Narrative, SourceRef


class CaseEvent(Event):
    """What the events of the desk share."""

    topic: ClassVar[str] = "amanah.cases"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY})

    agency: AgencyCode
    actor: Actor = Actor.AGENCY
    source_ref: SourceRef | None = None


class CaseAcknowledged(CaseEvent):
    """The agency has taken the complaint in hand."""

    stem: ClassVar[str] = "case.acknowledged"


class CaseReplied(CaseEvent):
    """The agency answered the citizen."""

    stem: ClassVar[str] = "case.replied"

    reply: Annotated[Narrative, Field(description="The answer to the citizen, masked for personal data.")]


class CaseResolved(CaseEvent):
    """The agency declares the complaint settled."""

    stem: ClassVar[str] = "case.resolved"

    outcome: Annotated[Narrative | None, Field(description="What was done and found, masked for personal data.")] = None


class CaseDeclined(CaseEvent):
    """The agency says that it is not competent: who refuses, why, and who would be."""

    stem: ClassVar[str] = "case.declined"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY, Audience.OMBUDSMAN})

    reason: Annotated[
        str,
        Field(min_length=1, max_length=2000, description="Why this agency is not competent, in words for the citizen."),
    ]
    proposed_agency: Annotated[AgencyCode | None, Field(description="Which agency would be competent.")] = None


class CaseOrderRefused(CaseEvent):
    """An agency's order could not be carried out; nothing changed."""

    stem: ClassVar[str] = "case.order_refused"

    order: Annotated[str, Field(description="The `ce_type` of the refused order.")]
    order_id: Annotated[str | None, Field(description="The `ce_id` of the refused order.")] = None
    reason: Annotated[str, Field(description="A stable word: `occurred_before_filing`, `not_the_holder`, …")]
    detail: Annotated[str, Field(description="What was wrong and what to do.")]
