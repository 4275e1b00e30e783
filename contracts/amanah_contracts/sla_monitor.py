"""Events that only `sla_monitor` publishes."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from amanah_contracts.envelope import Audience, Event
from amanah_contracts.vocabulary import AgencyCode, SourceRef, Stage


class DeadlineEvent(Event):
    """What the events of one clock share. `occurred_at` is the instant concerned, `received_at` when it was detected."""

    topic: ClassVar[str] = "amanah.deadlines"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY})

    agency: Annotated[AgencyCode | None, Field(description="Who holds the case, and so the clock.")] = None
    stage: Stage
    rule: Annotated[str, Field(description="Id of the rule, `given` for a deadline promised by the source.")]
    rule_version: Annotated[str, Field(description="Version of the rule in force when the clock started.")]
    calendar: Annotated[str | None, Field(description="Calendar and its version, where the rule counts days.")] = None
    deadline_version: Annotated[int, Field(ge=1, description="1 at the start, one more at each recalculation.")] = 1
    holder: Annotated[int, Field(ge=0, description="Assignment that the clock belongs to; 0 is the citizen's own.")] = 0
    due_at: Annotated[
        AwareDatetime | None,
        Field(description="The instant at which it is breached; absent while the clock is paused."),
    ] = None
    source_ref: SourceRef | None = None


class DeadlineStarted(DeadlineEvent):
    """A clock began to run."""

    stem: ClassVar[str] = "deadline.started"


class DeadlineMet(DeadlineEvent):
    """The stop fact was received in time."""

    stem: ClassVar[str] = "deadline.met"


class DeadlineBreached(DeadlineEvent):
    """The deadline passed unmet. Exactly one per complaint, stage, holder, deadline version and threshold."""

    stem: ClassVar[str] = "deadline.breached"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY, Audience.OMBUDSMAN})

    threshold: Annotated[str, Field(description="`due`, or the name of an escalation level.")] = "due"
    breached_at: Annotated[AwareDatetime, Field(description="The instant that passed unmet.")]
    detected_at: Annotated[AwareDatetime, Field(description="When the monitor saw it.")]


class DeadlineBreachWithdrawn(DeadlineEvent):
    """A fact that had been received in time arrived late: the breach did not happen."""

    stem: ClassVar[str] = "deadline.breach_withdrawn"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY, Audience.OMBUDSMAN})

    threshold: Annotated[str, Field(description="The threshold of the breach that did not happen.")] = "due"
    reason: Annotated[str, Field(description="Which fact, received when.")]


class DeadlineCancelled(DeadlineEvent):
    """The clock lost its ground, for example because the case went to another holder."""

    stem: ClassVar[str] = "deadline.cancelled"

    reason: Annotated[str, Field(description="What took its ground, in words.")]


class OversightGap(Event):
    """Oversight itself has a hole: a recount apart from the monitor differs from what was said, or no rule covers a case."""

    stem: ClassVar[str] = "oversight.gap"
    topic: ClassVar[str] = "amanah.deadlines"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.OMBUDSMAN})

    reason: Annotated[
        str,
        Field(
            description="A stable word: `breach_not_said`, `breach_said_in_error`, `breach_said_otherwise` (of another due"
            " instant), `no_rule` (no deadline protects this complaint), `not_recounted` (it could not be counted again)."
        ),
    ]
    detail: Annotated[str, Field(description="What differs, in words.")]
    stage: Annotated[Stage | None, Field(description="The stage concerned; absent when it is the whole case.")] = None
    holder: Annotated[
        int | None, Field(ge=0, description="Assignment that the clock belongs to; 0 is the citizen's own.")
    ] = None
    rule: Annotated[str | None, Field(description="Id of the rule, where one is concerned.")] = None
    rule_version: Annotated[str | None, Field(description="Version of the rule.")] = None
    recounted_due_at: Annotated[
        AwareDatetime | None, Field(description="The breach as recounted: the instant that passed unmet.")
    ] = None
    said_due_at: Annotated[AwareDatetime | None, Field(description="The breach as it was said.")] = None
