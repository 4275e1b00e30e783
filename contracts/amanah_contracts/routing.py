"""Events that only `routing` publishes."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from amanah_contracts.envelope import Audience, Event
from amanah_contracts.vocabulary import Actor, AgencyCode, Narrative, RegionCode, SourceRef, Visibility


class ComplaintRouted(Event):
    """A complaint was assigned to an agency; for that agency this is the complaint itself."""

    stem: ClassVar[str] = "complaint.routed"
    topic: ClassVar[str] = "amanah.assignments"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY})

    agency: AgencyCode
    assignment: Annotated[int, Field(ge=1, description="1 for the first holder, one more after each transfer.")]
    rule: Annotated[str, Field(description="Id of the routing rule that matched, or `triage` when a person decided.")]
    explanation: Annotated[str, Field(description="Why this agency, in words a citizen can read.")]
    decided_by: Actor = Actor.SYSTEM
    category: Annotated[str, Field(description="Category of the pack, as filed.")]
    region: RegionCode | None = None
    visibility: Visibility = Visibility.OPEN
    narrative: Narrative | None = None
    source_ref: SourceRef | None = None
    submitted_at: Annotated[
        AwareDatetime, Field(description="When the citizen filed it; the citizen's clock starts here.")
    ]
    given_due_at: Annotated[AwareDatetime | None, Field(description="A deadline promised by the source system.")] = None


class TriageRequested(Event):
    """No rule found an agency; a person must decide."""

    stem: ClassVar[str] = "triage.requested"
    topic: ClassVar[str] = "amanah.assignments"

    reason: Annotated[str, Field(description="Why no rule decided.")]
    category: Annotated[str, Field(description="Category of the pack, as filed.")]
    region: RegionCode | None = None
