"""The bare endpoint of `bench intake`, a process of its own: FastAPI on the same server with the same loop, one INSERT.

It checks the form's fields and commits one row, durably, before it answers 201. It promises nothing: no key that lets a
filing be repeated, no sealing, no masking, no tracking, no event.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from amanah_chassis import garbage

TABLE = """
    create table bare_complaint (
        id uuid primary key, category text not null, narrative text not null, region text, name text, email text,
        submitted_at timestamptz not null default clock_timestamp())
    """
INSERT = "insert into bare_complaint (id, category, narrative, region, name, email) values ($1, $2, $3, $4, $5, $6)"
POOL = 4
"""Connections, as many as intake has on this stack."""


class Identity(BaseModel):
    name: str | None = None
    email: str | None = None


class Form(BaseModel):
    category: str
    narrative: str
    region: str | None = None
    language: str = "id"
    identity: Identity | None = None


class Filed(BaseModel):
    complaint_id: UUID
    status: str = "submitted"


def make_app(database: str) -> FastAPI:
    pool: asyncpg.Pool

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal pool
        async with asyncpg.create_pool(database, min_size=1, max_size=POOL) as pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def readyz() -> dict[str, Any]:
        return {}

    @app.post("/complaints", status_code=201)
    async def file_complaint(form: Form) -> Filed:
        filed = Filed(complaint_id=uuid7())
        who = form.identity or Identity()
        await pool.execute(INSERT, filed.complaint_id, form.category, form.narrative, form.region, who.name, who.email)
        return filed

    return app


async def serve(database: str, port: int) -> None:
    """Until it is ended."""
    garbage.tune()  # as a service does
    config = uvicorn.Config(make_app(database), port=port, log_level="warning", access_log=False, server_header=False)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(os.environ["AMANAH_DATABASE"], int(os.environ["AMANAH_HTTP"].rpartition(":")[2])))
