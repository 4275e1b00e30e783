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


class DeadlinePaused(DeadlineEvent):
    """The clock stands: a fact of its rule holds it. `occurred_at` is when it began to stand."""

    stem: ClassVar[str] = "deadline.paused"


class DeadlineResumed(DeadlineEvent):
    """The clock runs again, now towards `due_at`."""

    stem: ClassVar[str] = "deadline.resumed"


class DeadlineAtRisk(DeadlineEvent):
    """A warning before the deadline passes, in office hours. At most one per deadline version and threshold; none once the
    deadline has passed or was met."""

    stem: ClassVar[str] = "deadline.at_risk"

    threshold: Annotated[str, Field(description="Name of the warning in its rule: `half`, `last_day` …")]
    at_risk_at: Annotated[AwareDatetime, Field(description="The instant of the warning by the rule.")]
    detected_at: Annotated[AwareDatetime, Field(description="When the monitor said it.")]


class DeadlineRecalculated(DeadlineEvent):
    """A running clock has another due instant: another law, calendar, start or promise, or a fact learnt of late."""

    stem: ClassVar[str] = "deadline.recalculated"

    previous_due_at: Annotated[AwareDatetime | None, Field(description="The due instant as it was said before.")] = None
    reason: Annotated[
        str,
        Field(
            description="A stable word: `rule` (another rule or version), `calendar` (another calendar or version), `start`"
            " (an earlier or later start), `promise` (the source promised otherwise), `facts` (a pause or an extension)."
        ),
    ]


class DeadlineMet(DeadlineEvent):
    """The stop fact was received in time."""

    stem: ClassVar[str] = "deadline.met"


class DeadlineBreached(DeadlineEvent):
    """The deadline passed unmet. Exactly one per complaint, stage, holder, deadline version and threshold."""

    stem: ClassVar[str] = "deadline.breached"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY, Audience.OMBUDSMAN})

    threshold: Annotated[str, Field(description="`due`: the deadline itself.")] = "due"
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


class EscalationEvent(DeadlineEvent):
    """What the two outcomes of a level share. Each level of a breached deadline is reached at an instant of its own."""

    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY, Audience.OMBUDSMAN})

    level: Annotated[int, Field(ge=1, description="1 is the first after the breach.")]
    role: Annotated[str, Field(max_length=64, description="Who answers on this level, in the words of the rule.")]
    escalated_at: Annotated[AwareDatetime, Field(description="The instant at which the level was reached, unanswered.")]
    detected_at: Annotated[AwareDatetime, Field(description="When the monitor said it.")]


class EscalationRaised(EscalationEvent):
    """A breached deadline is still unanswered: the next level is called upon. At most one per deadline version and level."""

    stem: ClassVar[str] = "escalation.raised"

    office: Annotated[
        str,
        Field(
            max_length=63,
            description="Where the role sits: the code of an agency, `ombudsman`, or `operator` (whoever runs the system).",
        ),
    ]


class EscalationImpossible(EscalationEvent):
    """A level was reached and there is nobody to call upon; the level after it is called upon at once instead."""

    stem: ClassVar[str] = "escalation.impossible"

    reason: Annotated[
        str,
        Field(
            description="A stable word: `no_holder` (no agency holds the case), `no_superior` (its agency has none),"
            " `no_channel` (the pack says that the role cannot be reached), `unknown_role` (the pack does not know it)."
        ),
    ]


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
