"""The bare journey of `bench journey`: the same hops by hand, two processes. Nothing is promised on the way.

`door`: an endpoint that commits one INSERT durably, answers 201 and sends one record. `desk`: reads it, commits one INSERT
durably and sends one record to the agency's topic.
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from amanah.bench.intake_bare import INSERT, POOL, Filed, Form, Identity
from amanah_chassis import garbage
from amanah_chassis.relay import producer_settings
from amanah_contracts.routing import ComplaintRouted

ROUTED_TABLE = "create table bare_assignment (id uuid primary key, agency text not null, complaint jsonb not null)"
COMPLAINTS = "bench.complaints"


class Addressed(Form):
    agency_named: str


def make_app(database: str, kafka: str) -> FastAPI:
    pool: asyncpg.Pool
    producer = AIOKafkaProducer(**producer_settings(kafka))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal pool
        await producer.start()
        async with asyncpg.create_pool(database, min_size=1, max_size=POOL) as pool:
            yield
        await producer.stop()

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def readyz() -> dict[str, Any]:
        return {}

    @app.post("/complaints", status_code=201)
    async def file_complaint(form: Addressed) -> Filed:
        filed = Filed(complaint_id=uuid7())
        who = form.identity or Identity()
        await pool.execute(INSERT, filed.complaint_id, form.category, form.narrative, form.region, who.name, who.email)
        body = form.model_dump(exclude={"identity"})
        await producer.send(COMPLAINTS, json.dumps(body).encode(), key=str(filed.complaint_id).encode())
        return filed

    return app


async def door(database: str, kafka: str, port: int) -> None:
    garbage.tune()  # as a service does
    config = uvicorn.Config(
        make_app(database, kafka), port=port, log_level="warning", access_log=False, server_header=False
    )
    await uvicorn.Server(config).serve()


async def desk(database: str, kafka: str) -> None:
    reader = AIOKafkaConsumer(
        COMPLAINTS,
        bootstrap_servers=kafka,
        group_id="bench.desk",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(**producer_settings(kafka))
    await reader.start()
    await producer.start()
    db = await asyncpg.connect(database)
    garbage.tune()
    while True:
        found = await reader.getmany(timeout_ms=1000)
        records = [record for lot in found.values() for record in lot]
        if not records:
            continue
        bodies = [json.loads(record.value) for record in records]
        await db.executemany(
            "insert into bare_assignment (id, agency, complaint) values ($1, $2, $3)",
            [(r.key.decode(), body["agency_named"], r.value.decode()) for r, body in zip(records, bodies, strict=True)],
        )
        kind = [("ce_type", ComplaintRouted.type().encode())]
        for record, body in zip(records, bodies, strict=True):
            await producer.send(f"bench.agency.{body['agency_named']}", record.value, key=record.key, headers=kind)
        await reader.commit()


async def run(part: str, database: str, kafka: str) -> None:
    """Until it is ended."""
    if part == "door":
        await door(database, kafka, int(os.environ["AMANAH_HTTP"].rpartition(":")[2]))
    else:
        await desk(database, kafka)


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], os.environ["AMANAH_DATABASE"], os.environ["AMANAH_KAFKA"]))
