"""Orders that an agency writes to its own topic, `amanah.agency.<code>.replies`. Key: the complaint id."""

from typing import Annotated, ClassVar

from pydantic import Field

from amanah_contracts.envelope import Command
from amanah_contracts.vocabulary import AgencyCode, Narrative


class AcknowledgeCase(Command):
    """We have taken the complaint in hand."""

    stem: ClassVar[str] = "case.acknowledge"


class ReplyToCase(Command):
    """Here is our answer to the citizen."""

    stem: ClassVar[str] = "case.reply"

    reply: Annotated[Narrative, Field(description="The answer to the citizen.")]


class ResolveCase(Command):
    """The complaint is settled."""

    stem: ClassVar[str] = "case.resolve"

    outcome: Annotated[Narrative | None, Field(description="What was done and found.")] = None


class DeclineCase(Command):
    """The complaint is not ours."""

    stem: ClassVar[str] = "case.decline"

    reason: Annotated[
        str, Field(min_length=1, max_length=2000, description="Why you are not competent, in words for the citizen.")
    ]
    proposed_agency: Annotated[AgencyCode | None, Field(description="Which agency would be competent.")] = None


class RequestInformationOnCase(Command):
    """We need something from the citizen before we can go on."""

    stem: ClassVar[str] = "case.request_information"

    question: Annotated[Narrative, Field(description="What you ask of the citizen.")]


class ReceiveInformationOnCase(Command):
    """What we had asked the citizen for has come."""

    stem: ClassVar[str] = "case.receive_information"


class ExtendCase(Command):
    """We prolong our term, once, as the law allows."""

    stem: ClassVar[str] = "case.extend"

    reason: Annotated[str, Field(min_length=1, max_length=2000, description="Why, in words for the citizen.")]
    article: Annotated[str | None, Field(max_length=200, description="The article of law that allows it.")] = None


class WithdrawActionOnCase(Command):
    """Our last action was entered in error; we take it back."""

    stem: ClassVar[str] = "case.withdraw_action"

    order_id: Annotated[str, Field(min_length=1, max_length=200, description="The `ce_id` of the order to be undone.")]
    reason: Annotated[str, Field(min_length=1, max_length=2000, description="Why, in words for the citizen.")]
