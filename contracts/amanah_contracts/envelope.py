"""The envelope of every message: what an event is, who may see it, and how it travels.

CloudEvents 1.0 in binary mode: attributes are Kafka headers (`ce_*`, UTF-8), the record's value is the JSON body, the
record's key is the complaint id. `ce_sequence` counts 1, 2, 3 … per complaint and source *within the topic's stream*,
so that a reader of any topic can tell loss (a gap) from selection (an event that was never meant for that topic).
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Audience(StrEnum):
    """Who receives a reduced view of an event, besides the services that read its owner's topic."""

    AGENCY = "agency"
    OMBUDSMAN = "ombudsman"
    PUBLIC = "public"


class Message(BaseModel):
    """What events and commands share: a name, a version, a body that ignores unknown fields and refuses naive times."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stem: ClassVar[str] = ""
    """`complaint.submitted`: the one word by which schema, example, handler and test of this message are found."""
    version: ClassVar[int] = 1

    @classmethod
    def type(cls) -> str:
        """The value of `ce_type`, for example `complaint.submitted.v1`."""
        return f"{cls.stem}.v{cls.version}"


class Event(Message):
    """A fact that has happened. Only its owner, one service, publishes it."""

    topic: ClassVar[str] = ""
    """The owner's topic."""
    audiences: ClassVar[frozenset[Audience]] = frozenset()
    """Who else receives it, each on a topic of its own."""
    hidden: ClassVar[dict[Audience, frozenset[str]]] = {}
    """Fields left out of an audience's reduced view; a hidden field must be optional."""

    complaint_id: Annotated[UUID, Field(description="The complaint that this is about; also the key of the record.")]
    occurred_at: Annotated[AwareDatetime, Field(description="When it happened, as claimed by whoever did it.")]
    received_at: Annotated[AwareDatetime, Field(description="When the system's edge came to know of it.")]

    @property
    def subject(self) -> UUID:
        """What `ce_subject` and the record's key say."""
        return self.complaint_id

    @property
    def addressee(self) -> str | None:
        """The code of the agency concerned, whose topic receives the reduced view; None while there is none."""
        return getattr(self, "agency", None)

    def view(self, audience: Audience | None) -> bytes:
        """The JSON body for the owner's topic (None) or, without the fields hidden from it, for one audience."""
        hidden = self.hidden.get(audience) if audience else None
        return self.model_dump_json(exclude=set(hidden) if hidden else None, exclude_none=True).encode()


class Command(Message):
    """An order from outside, written by an agency to its own replies topic. It may be refused, with a reason."""

    complaint_id: Annotated[UUID, Field(description="The complaint that the order is about.")]
    occurred_at: Annotated[
        AwareDatetime | None, Field(description="When the agency did it; absent means: when the record was appended.")
    ] = None

    @property
    def subject(self) -> UUID:
        return self.complaint_id


class Registry:
    """Finds a message class by its `ce_type`."""

    def __init__(self, *messages: type[Message]) -> None:
        self._by_type = {message.type(): message for message in messages}

    def find(self, ce_type: str) -> type[Message] | None:
        return self._by_type.get(ce_type)

    def including(self, *messages: type[Message]) -> Self:
        return type(self)(*self._by_type.values(), *messages)

    def __iter__(self) -> Any:
        return iter(self._by_type.values())
