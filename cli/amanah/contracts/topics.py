"""The topic files of `amanah_contracts/topics`: who owns, writes and reads each topic, and how it is kept.

The files are data of the contracts package, which depends on pydantic only; this reader needs YAML and so lives here.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from amanah_contracts.envelope import Audience

AGENCY = "{agency}"
"""Stands in a topic's name for the code of an agency: such a file describes one topic per agency of the pack."""

MAX_MESSAGE_BYTES = 1_048_588
"""Kafka's own default. It bounds a client's whole batch, and common clients fill theirs up to a megabyte."""
DAY_MS = 24 * 60 * 60 * 1000


class Listed(BaseModel):
    """One message type of a topic, and the release of amanah-contracts in which it came."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$")]
    since: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]


class Topic(BaseModel):
    """One topic, or with `{agency}` in its name one per agency. Names in `writers` and `readers` are services, or
    `agency` for the one agency concerned, or `ombudsman`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(description="The name of its file.")]
    topic: Annotated[str, Field(pattern=r"^amanah\.[a-z_.{}]+$")]
    title: str
    description: str
    owner: Annotated[
        str | None, Field(description="Who alone decides what is in it; absent for an audience's topic.")
    ] = None
    audience: Annotated[Audience | None, Field(description="Whose reduced views it carries.")] = None
    writers: tuple[str, ...]
    readers: Mapping[str, str]
    partitions: Annotated[int, Field(ge=1)]
    retention_days: Annotated[int, Field(ge=1)]
    messages: tuple[Listed, ...]

    @model_validator(mode="after")
    def _owner_or_audience(self) -> Self:
        if (self.owner is None) == (self.audience is None):
            raise ValueError("a topic has either an owner or an audience")
        if self.owner is not None and self.writers != (self.owner,):
            raise ValueError("only its owner writes to an owner's topic")
        return self

    @property
    def per_agency(self) -> bool:
        return AGENCY in self.topic

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(listed.type for listed in self.messages)

    def names(self, agencies: Iterable[str]) -> tuple[str, ...]:
        """The Kafka topics that this file stands for, given the codes of the pack's agencies."""
        return tuple(self.topic.replace(AGENCY, code) for code in agencies) if self.per_agency else (self.topic,)

    @property
    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic. The broker stamps each record, so that no client's clock can lie; and it unpacks
        each, so that no reader is stopped by a codec that it lacks: an agency's client may compress as it likes."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_days * DAY_MS),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "message.timestamp.type": "LogAppendTime",
            "compression.type": "uncompressed",
        }


def load() -> tuple[Topic, ...]:
    """Every topic file, owners' topics before those of the audiences, in the order in which a complaint meets them."""
    folder = files("amanah_contracts") / "topics"
    found = {
        entry.name.removesuffix(".yaml"): yaml.safe_load(entry.read_text())
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
    return tuple(Topic(id=name, **found[name]) for name in sorted(found, key=_rank))


_JOURNEY = ("complaints", "assignments", "cases", "deadlines", "notices", "agency", "agency_replies", "ombudsman")


def _rank(name: str) -> tuple[int, str]:
    return (_JOURNEY.index(name) if name in _JOURNEY else len(_JOURNEY), name)
