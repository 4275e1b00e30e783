"""What a citizen sees who follows a complaint by its secret."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

from amanah_chassis.chassis import Chassis
from amanah_contracts.vocabulary import ClockState
from amanah_intake import store
from amanah_intake.domain import tracking
from amanah_intake.domain.standing import Fact, Status, What, in_order, standing, taken_back

Instant = Annotated[datetime, PlainSerializer(lambda at: at.isoformat(), return_type=str)]


class Step(BaseModel):
    """Something that happened."""

    what: Literal["submitted"] | What
    at: Instant
    agency: str | None = None
    words: Annotated[str | None, Field(description="What the agency wrote: an answer, a question, a reason.")] = None
    withdrawn: Annotated[bool, Field(description="The agency took it back: it no longer counts.")] = False


class Deadline(BaseModel):
    """One legal deadline, as last said."""

    stage: str
    due_at: Annotated[Instant | None, Field(description="None while it is paused: nobody knows it then.")]
    state: ClockState


class Followed(BaseModel):
    """A complaint as its citizen reads it."""

    complaint_id: UUID
    tracking_code: str
    status: Status
    agency: Annotated[str | None, Field(description="Who holds the complaint.")]
    question: Annotated[str | None, Field(description="What the agency waits for you to answer.")]
    submitted_at: Instant
    timeline: list[Step]
    deadlines: list[Deadline]


async def follow(chassis: Chassis, secret: str) -> Followed | None:
    """None for a secret that opens nothing. Whatever was sent is hashed and looked up alike, so time tells nothing."""
    async with chassis.pool.acquire() as db:
        complaint = await store.followed(db, tracking.hashed(secret))
        if complaint is None:
            return None
        facts = await store.facts_of(db, complaint.complaint_id)
        deadlines = await store.deadlines_of(db, complaint.complaint_id)
    return _shown(complaint, facts, deadlines)


def _shown(complaint: store.Followed, facts: Sequence[Fact], deadlines: Sequence[store.Deadline]) -> Followed:
    stands, void = standing(facts), taken_back(facts)
    return Followed(
        complaint_id=complaint.complaint_id,
        tracking_code=complaint.tracking_code,
        status=stands.status,
        agency=stands.agency,
        question=stands.question,
        submitted_at=complaint.submitted_at,
        timeline=[
            Step(what="submitted", at=complaint.submitted_at),
            *(
                Step(what=f.what, at=f.occurred_at, agency=f.agency, words=f.words, withdrawn=f.action in void)
                for f in in_order(facts)
            ),
        ],
        deadlines=[Deadline(stage=d.stage, due_at=d.due_at, state=ClockState(d.state)) for d in deadlines],
    )
