"""Events that only `casework` publishes."""

from typing import Annotated, ClassVar
from uuid import UUID

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
    action: Annotated[UUID | None, Field(description="Id of what was done; a withdrawal names it.")] = None


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


class CaseInformationRequested(CaseEvent):
    """The agency needs something from the citizen; where the rule says so, its clock stands meanwhile."""

    stem: ClassVar[str] = "case.information_requested"

    question: Annotated[Narrative, Field(description="What is asked, masked for personal data.")]


class CaseInformationReceived(CaseEvent):
    """What had been asked for has come: a clock that stood for it runs again."""

    stem: ClassVar[str] = "case.information_received"


class CaseExtended(CaseEvent):
    """The agency prolongs its term once, in writing, where the rule allows it."""

    stem: ClassVar[str] = "case.extended"

    reason: Annotated[str, Field(min_length=1, max_length=2000, description="Why, in words for the citizen.")]
    article: Annotated[str | None, Field(max_length=200, description="The article of law that allows it.")] = None


class CaseActionWithdrawn(CaseEvent):
    """An action was entered in error and is taken back: for every clock it never was."""

    stem: ClassVar[str] = "case.action_withdrawn"

    withdraws: Annotated[UUID, Field(description="The `action` of the event that is taken back.")]
    reason: Annotated[str, Field(min_length=1, max_length=2000, description="Why, in words for the citizen.")]


class CaseOrderRefused(CaseEvent):
    """An agency's order could not be carried out; nothing changed."""

    stem: ClassVar[str] = "case.order_refused"

    order: Annotated[str, Field(description="The `ce_type` of the refused order.")]
    order_id: Annotated[str | None, Field(description="The `ce_id` of the refused order.")] = None
    reason: Annotated[str, Field(description="A stable word: `occurred_before_filing`, `not_the_holder`, …")]
    detail: Annotated[str, Field(description="What was wrong and what to do.")]
