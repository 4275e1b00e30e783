"""The agency's desk over HTTP: its cases, and the same orders as on its topic. Behind the service token."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import FastAPI, Header, Query
from pydantic import ValidationError

from amanah_casework import store
from amanah_casework.domain import OPEN, Case
from amanah_casework.orders import VERBS, AgencyOrder, execute, order_of
from amanah_chassis import problems, telemetry
from amanah_chassis.chassis import Chassis
from amanah_chassis.guard import Door
from amanah_chassis.problems import Problem
from amanah_contracts.vocabulary import AgencyCode

State = Literal["assigned", "acknowledged", "replied", "waiting", "resolved", "declined"]


def make_api(_desk: Any, chassis: Chassis) -> FastAPI:
    """GET /cases, GET /cases/{complaint}, and POST /cases/{complaint}/{verb} for each order of the contracts."""
    responses = problems.answers(400, 401, 413, 422, 503)
    app = FastAPI(title="Amanah casework", version="1", docs_url=None, redoc_url=None, responses=responses)
    problems.install(app)
    app.add_middleware(Door, token=chassis.settings.service_token())
    _add_reading(app, chassis)
    for model, verb in VERBS.items():
        _add_order(app, chassis, verb.value, model)
    return app


def _add_reading(app: FastAPI, chassis: Chassis) -> None:
    @app.get("/cases")
    async def list_cases(
        agency: Annotated[AgencyCode, Query()],
        state: Annotated[list[State] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        async with chassis.pool.acquire() as db:
            return [_shown(case) for case in await store.held_by(db, agency, state or OPEN, limit)]

    @app.get("/cases/{complaint_id}", responses=problems.answers(404))
    async def read_case(complaint_id: UUID) -> dict[str, Any]:
        async with chassis.pool.acquire() as db:
            case = (await store.load(db, [complaint_id])).get(complaint_id)
            actions = await store.actions_of(db, complaint_id)
        if case is None:
            raise _not_here()
        return _shown(case) | {
            "actions": [
                {
                    "order_id": a.order_id,  # what a withdrawal names
                    "verb": a.verb,
                    "outcome": a.outcome,
                    "detail": a.detail,
                    "occurred_at": a.occurred_at.isoformat(),
                }
                for a in actions
            ]
        }


def _add_order(app: FastAPI, chassis: Chassis, name: str, model: type[AgencyOrder]) -> None:
    @app.post(f"/cases/{{complaint_id}}/{name}", name=name, responses=problems.answers(404, 409))
    async def order(
        complaint_id: UUID,
        body: dict[str, Any],
        agency: Annotated[AgencyCode, Query()],
        idempotency_key: Annotated[str, Header(min_length=8, max_length=200)],
        traceparent: Annotated[str | None, Header()] = None,
    ) -> dict[str, Any]:
        message = _parsed(model, complaint_id, body)
        with telemetry.span(f"POST {message.type()}", traceparent) as onward:
            return await _carry_out(chassis, agency, idempotency_key, message, onward)


async def _carry_out(
    chassis: Chassis, agency: str, order_id: str, message: AgencyOrder, traceparent: str | None
) -> dict[str, Any]:
    async with chassis.transaction() as tx:
        case = (await store.load(tx.db, [message.complaint_id])).get(message.complaint_id)
        if case is None:
            raise _not_here()
        order = order_of(message, agency, order_id, tx.now)
        if await store.done_before(tx.db, [order]):
            return _shown(case)  # the same order again: the answer is how the case stands
        deeds = await store.deeds_of(tx.db, [order])
        outcome = execute(case, message, order, deeds.get(case.complaint_id, ()))
        if outcome.case is None:
            raise Problem(409, outcome.action.outcome, outcome.action.detail or "")
        await store.save_states(tx.db, [outcome.case], tx.now)
        await store.add_actions(tx.db, [outcome.action])
        tx.emit(outcome.event, traceparent)
    return _shown(outcome.case)


def _parsed(model: type[AgencyOrder], complaint_id: UUID, body: dict[str, Any]) -> AgencyOrder:
    try:
        return model.model_validate({**body, "complaint_id": complaint_id})
    except ValidationError as invalid:
        raise problems.invalid(invalid.errors()) from None


def _not_here() -> Problem:
    return Problem(404, "not_found", "No complaint with this id has been assigned to an agency yet.")


def _shown(case: Case) -> dict[str, Any]:
    return {
        "complaint_id": str(case.complaint_id),
        "agency": case.agency,
        "state": case.state,
        "category": case.category,
        "region": case.region,
        "narrative": case.narrative,
        "source_ref": case.source_ref,
        "submitted_at": case.submitted_at.isoformat(),
        "assigned_at": case.assigned_at.isoformat(),
    }
