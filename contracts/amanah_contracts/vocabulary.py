"""Shared words, no behaviour: the terms in which services and agencies speak of a complaint."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

AgencyCode = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Field(description="An agency's code in its pack, fit for a Kafka topic name.", examples=["dot", "banjar-dukcapil"]),
]
RegionCode = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z .'-]{1,64}$"),
    Field(
        description="A region of the pack: in Indonesia the Kemendagri code of 2 to 10 digits.", examples=["63.03.05"]
    ),
]
Narrative = Annotated[
    str,
    StringConstraints(max_length=8000),
    Field(description="The complaint in words, already masked for personal data."),
]
SourceRef = Annotated[
    str,
    StringConstraints(max_length=120),
    Field(description="The case's own number in the system it was imported from."),
]
Stage = Annotated[
    str, StringConstraints(max_length=64), Field(description="The stage a deadline binds, as named by its rule.")
]


class Channel(StrEnum):
    """How a complaint reached the system."""

    WEB = "web"
    API = "api"
    COUNTER = "counter"
    IMPORT = "import"


class Visibility(StrEnum):
    """The citizen's choice of who sees what."""

    OPEN = "open"
    ANONYMOUS = "anonymous"
    """The agency does not see who."""
    CONFIDENTIAL = "confidential"
    """The public does not see what."""
    WHISTLE_BLOWER = "whistle_blower"
    """Only the Ombudsman or the inspectorate sees it; the narrative never travels on Kafka."""


class Actor(StrEnum):
    """The role that did something; never a name."""

    CITIZEN = "citizen"
    AGENCY = "agency"
    OFFICER = "officer"
    TRIAGE = "triage"
    SYSTEM = "system"


class ClockState(StrEnum):
    """The state of one deadline clock."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"
