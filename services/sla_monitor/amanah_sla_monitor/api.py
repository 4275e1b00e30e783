"""`GET /deadlines/{complaint}`: every clock of a complaint with its receipt, as `amanah explain --json` prints it."""

from typing import Any
from uuid import UUID

from fastapi import FastAPI

from amanah_chassis import problems
from amanah_chassis.chassis import Chassis
from amanah_chassis.problems import Problem
from amanah_sla_monitor import store
from amanah_sla_monitor.domain.clocks import clocks
from amanah_sla_monitor.handlers import Monitor
from amanah_sla_monitor.receipt import receipt


def make_api(monitor: Monitor, chassis: Chassis) -> FastAPI:
    app = FastAPI(title="Amanah SLA monitor", version="1", docs_url=None, redoc_url=None)
    problems.install(app)

    @app.get("/deadlines/{complaint_id}")
    async def deadlines(complaint_id: UUID) -> dict[str, Any]:
        """Folded anew from the facts, beside what was last told of each clock."""
        async with chassis.pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            facts = await store.facts_of(db, complaint_id)
            stored = await store.deadlines(db, [complaint_id], lock=False)
            reading = await chassis.clock.read(db)
        if facts is None:
            raise Problem(404, "not_found", "No complaint with this id has reached the SLA monitor.")
        folded = clocks(facts, monitor.rules, monitor.calendars, reading.settled)
        told = stored.get(complaint_id, {})
        return {
            "complaint": str(complaint_id),
            "pack": chassis.settings.pack.name,
            "at": reading.now.isoformat(),
            "clocks": [receipt(clock, told.get((clock.stage, clock.holder))) for clock in folded],
        }

    return app
