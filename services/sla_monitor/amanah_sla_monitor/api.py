"""`GET /deadlines/{complaint}`: every clock of a complaint with its receipt, as `amanah explain --json` prints it.
`GET /calculator`: any date by the pack's law, as `amanah due --json` prints it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request
from starlette.datastructures import QueryParams

from amanah_chassis import problems
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import Connection
from amanah_chassis.problems import Problem
from amanah_sla_monitor import store
from amanah_sla_monitor.calculator import Refused, answer, asked, span
from amanah_sla_monitor.domain.clocks import Clock, clocks
from amanah_sla_monitor.domain.diff import Key, Stored, law_changed_after_the_end
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.monitor import Monitor
from amanah_sla_monitor.past import Past
from amanah_sla_monitor.receipt import receipt

CALCULATOR: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": name in ("rule", "start"), "description": said, "schema": schema}
        for name, said, schema in (
            ("rule", "Id of a rule of the pack.", {"type": "string"}),
            ("start", "When the term began, with its offset.", {"type": "string", "format": "date-time"}),
            ("calendar", "Id of a calendar, instead of the one that the rule counts by.", {"type": "string"}),
            (
                "pause",
                "FROM/TO, as often as there were pauses; FROM/ for one that still stands.",
                {"type": "array", "items": {"type": "string"}},
            ),
            ("extend", "Whether the term was extended.", {"type": "boolean"}),
        )
    ]
}
"""What the OpenAPI document says of the query, which is read by hand so that every refusal names its argument."""


def make_api(monitor: Monitor, chassis: Chassis) -> FastAPI:
    responses = problems.answers(422, 503)
    app = FastAPI(title="Amanah SLA monitor", version="1", docs_url=None, redoc_url=None, responses=responses)
    problems.install(app)

    @app.get("/deadlines/{complaint_id}", responses=problems.answers(404))
    async def deadlines(complaint_id: UUID) -> dict[str, Any]:
        """Folded anew from the facts, beside what was last told of each clock; a finished one by the law of its own time."""
        async with chassis.pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            facts = await store.facts_of(db, complaint_id)
            stored = await store.deadlines(db, [complaint_id], lock=False)
            reading = await chassis.clock.read(db)
            if facts is None:
                raise Problem(404, "not_found", "No complaint with this id has reached the SLA monitor.")
            told = stored.get(complaint_id, {})
            folded = await _by_their_own_law(db, facts, told, reading.settled)
        return {
            "complaint": str(complaint_id),
            "pack": chassis.settings.pack.name,
            "at": reading.now.isoformat(),
            "clocks": [receipt(clock, told.get((clock.stage, clock.holder)), reading.settled) for clock in folded],
        }

    past = Past(chassis.settings.pack.name)

    async def _by_their_own_law(
        db: Connection, facts: list[Fact], told: Mapping[Key, Stored], now: datetime
    ) -> list[Clock]:
        folded = []
        for clock in clocks(facts, monitor.law.rules, monitor.law.calendars, now):
            before = told.get((clock.stage, clock.holder))
            law = await past.law_of(db, before) if before and law_changed_after_the_end(before, clock) else None
            own = clocks(facts, law.rules, law.calendars, now) if law else ()
            folded.append(next((c for c in own if (c.stage, c.holder) == (clock.stage, clock.holder)), clock))
        return folded

    @app.get("/calculator", openapi_extra=CALCULATOR)
    async def calculator(request: Request) -> dict[str, Any]:
        """`rule`, `start`, `calendar`, `pause` (FROM/TO, as often as there were pauses), `extend` (true or false)."""
        try:
            return answer(asked(_arguments(request.query_params), monitor.law.pack), monitor.law)
        except Refused as refused:
            where = [{"field": refused.argument, "reason": refused.reason}]
            raise Problem(422, "invalid_request", f"Not accepted: {refused}.", where) from None

    return app


def _arguments(query: QueryParams) -> dict[str, Any]:
    """The query as the calculator's arguments; each but `pause` at most once, so that none is passed over in silence."""
    arguments: dict[str, Any] = {}
    for name in query:
        values = query.getlist(name)
        if name == "pause":
            arguments["pauses"] = [span(_plus(text), f"pause {n}") for n, text in enumerate(values, 1)]
        elif len(values) > 1:
            raise Refused(name, "it is given more than once")
        else:
            arguments[name] = _plus(values[0]) if name == "start" else values[0]
    if (extend := arguments.get("extend")) is not None:
        arguments["extend"] = {"true": True, "false": False}.get(extend, extend)
    return arguments


def _plus(text: str) -> str:
    """An offset typed into an address bar: its plus sign means a blank there."""
    return _BLANK_OFFSET.sub(r"\1+\2", text)


_BLANK_OFFSET = re.compile(r"(:[0-9.]+) ([0-9]{2}:?[0-9]{2})(?=$|/)")
