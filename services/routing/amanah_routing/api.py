"""The triage desk: complaints for which no rule found an agency. Behind the service token."""

from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from amanah_chassis import problems, telemetry
from amanah_chassis.chassis import Chassis
from amanah_chassis.guard import Door
from amanah_chassis.problems import Problem
from amanah_routing import store
from amanah_routing.handlers import Desk, assign_by_person


class AssignRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agency: str = Field(description="Code or alias of the agency that shall answer.")
    explanation: str = Field(
        min_length=3, max_length=1000, pattern=r"^[^\x00]*$", description="Why, in words a citizen can read."
    )


def make_api(desk: Desk, chassis: Chassis) -> FastAPI:
    """GET /triage, POST /triage/{complaint}/assign."""
    responses = problems.answers(400, 401, 413, 422, 503)
    app = FastAPI(title="Amanah routing", version="1", docs_url=None, redoc_url=None, responses=responses)
    problems.install(app)
    app.add_middleware(Door, token=chassis.settings.service_token())

    @app.get("/triage")
    async def list_triage(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, object]]:
        async with chassis.pool.acquire() as db:
            waiting = await store.in_triage(db, limit)
        return [
            {
                "complaint_id": str(c.complaint_id),
                "category": c.category,
                "region": c.region,
                "agency_named": c.agency_named,
                "reason": c.reason,
                "submitted_at": c.submitted_at.isoformat(),
            }
            for c in waiting
        ]

    @app.post("/triage/{complaint_id}/assign", responses=problems.answers(404, 409))
    async def assign(
        complaint_id: UUID, request: AssignRequest, traceparent: Annotated[str | None, Header()] = None
    ) -> dict[str, object]:
        agency = desk.agencies.find(request.agency)
        if agency is None:
            raise Problem(422, "unknown_agency", "`agency` is neither a code nor an alias of the pack's agencies.yaml.")
        with telemetry.span("POST triage assign", traceparent) as onward:
            async with chassis.transaction() as tx:
                complaint = (await store.load(tx.db, [complaint_id])).get(complaint_id)
                if complaint is None:
                    raise Problem(404, "not_found", "No complaint with this id has reached routing.")
                if complaint.state == "triage":
                    complaint = await assign_by_person(tx, complaint, agency, request.explanation, onward)
                elif complaint.agency != agency:  # a repeated request finds the complaint where it wants it
                    raise Problem(409, "not_in_triage", f"The complaint is already with {complaint.agency}.")
        return {"complaint_id": str(complaint_id), "agency": complaint.agency, "assignment": complaint.assignment}

    return app
