"""What a run under a draft left behind: the facts, and what was said of each deadline."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from amanah.replay.what_if import Said
from amanah.verify import records
from amanah.verify.books import Books
from amanah.verify.evidence import Evidence
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.store import decode

if TYPE_CHECKING:
    from amanah.embedded.stack import Stack


async def facts(stack: "Stack") -> Mapping[str, Sequence[Fact]]:
    """By complaint, as the monitor recorded them."""
    found = await _fetch(stack, "select complaint_id::text, facts::text from casefile order by complaint_id")
    return {complaint: [decode(fact) for fact in json.loads(kept)] for complaint, kept in found}


async def said(stack: "Stack") -> Said:
    """How each deadline was told of last, and the breaches that stand in Kafka, read as `amanah verify` reads them."""
    found = await _fetch(stack, "select complaint_id::text, stage, holder, agency, state from deadline")
    in_kafka, _ = await asyncio.to_thread(records.read, stack.kafka)
    return Said(
        {(complaint, stage, holder): (agency, state) for complaint, stage, holder, agency, state in found},
        breaches(Evidence.of(in_kafka, books=Books())),
    )


def breaches(evidence: Evidence) -> dict[tuple[str, str, int], datetime]:
    """The instant of each deadline that stands breached. Warnings and levels are other events, and no breaches."""
    found = {}
    for record in evidence.standing:
        body = record.body or {}
        if body.get("threshold", "due") == "due":
            key = (record.subject, body["stage"], int(body.get("holder", 0)))
            found[key] = datetime.fromisoformat(body["breached_at"])
    return found


def strike(history: Path, complaints: Collection[str]) -> None:
    """Takes from the client's record the dates that bind nobody under the draft, so that no breach is asked for by them;
    the log's own date is kept beside."""
    lines = []
    for line in history.read_text().splitlines():
        entry = json.loads(line)
        if entry["op"] == "file" and entry["complaint_id"] in complaints:
            entry |= {"due_at": None, "overruled_due_at": entry["due_at"]}
        lines.append(json.dumps(entry) + "\n")
    history.write_text("".join(lines))


async def _fetch(stack: "Stack", sql: str) -> list[asyncpg.Record]:
    db = await asyncpg.connect(stack.dsn("sla_monitor"))
    try:
        rows: list[asyncpg.Record] = await db.fetch(sql)
        return rows
    finally:
        await db.close()
