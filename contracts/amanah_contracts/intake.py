"""Events that only `intake` publishes."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from amanah_contracts.envelope import Event
from amanah_contracts.vocabulary import Channel, Narrative, RegionCode, SourceRef, Visibility


class ComplaintSubmitted(Event):
    """A complaint was filed: committed, with a tracking code given to the citizen."""

    stem: ClassVar[str] = "complaint.submitted"
    topic: ClassVar[str] = "amanah.complaints"

    tracking_code: Annotated[str, Field(description="Public short name of the complaint; opens nothing by itself.")]
    channel: Channel
    category: Annotated[str, Field(max_length=120, description="Category of the pack, as filed.")]
    classification: Annotated[
        str | None, Field(max_length=60, description="Class of report, where the pack has them.")
    ] = None
    region: RegionCode | None = None
    agency_named: Annotated[
        str | None, Field(max_length=63, description="The agency that the citizen or the source system named.")
    ] = None
    visibility: Visibility = Visibility.OPEN
    narrative: Narrative | None = None
    source_ref: SourceRef | None = None
    given_due_at: Annotated[
        AwareDatetime | None, Field(description="A deadline promised by the source system, kept as a clock of its own.")
    ] = None
    contactable: Annotated[
        bool, Field(description="Whether the citizen left a contact; the contact itself stays with intake.")
    ] = True
