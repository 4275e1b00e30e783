"""What `amanah verify` looks at, of a deployment whose outboxes have been pruned: rows that are gone by their term are not
missing. Each database says itself how far it was pruned (`chassis_pruned`)."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg

from amanah.embedded.stack import Stack
from amanah.verify import books, history, records
from amanah.verify.books import Books
from amanah.verify.evidence import Evidence
from amanah.verify.records import Record
from amanah.verify.result import Result
from amanah.verify.run import _plan, _received, judge

SOURCE = "amanah."
"""Before a service's name in `ce_source`."""


async def verify(stack: Stack, told: Path) -> Result:
    """Everything that `amanah verify` checks."""
    return await asyncio.to_thread(_verify, stack, told)


def _verify(stack: Stack, told: Path) -> Result:
    dsns = {name: stack.dsn(name) for name in stack.options.services}
    kept = books.read(dsns)
    pruned = {service: _pruned_ms(dsn) for service, dsn in dsns.items()}  # after the books: it only moves on
    found, unreadable = records.read(stack.kafka)
    excuse(kept, found, pruned)
    return judge(
        Evidence.of(
            found,
            books=kept,
            history=history.read(told),
            unreadable=unreadable,
            told_of_breach=_plan(stack.pack),
            received=_received(stack.data / "sinks"),
        )
    )


def excuse(kept: Books, found: Iterable[Record], pruned_ms: Mapping[str, int]) -> int:
    """Writes into the books what a pruned outbox no longer has: records appended up to where it was pruned. A record is in
    Kafka before its row is marked as sent, so none that is younger than the mark is excused. Answers how many those are."""
    before = len(kept.outbox)
    for record in found:
        if record.appended_ms <= pruned_ms.get(record.source.removeprefix(SOURCE), 0):
            kept.outbox.add((record.id, record.topic))
    return len(kept.outbox) - before


def _pruned_ms(dsn: str) -> int:
    with psycopg.connect(dsn, connect_timeout=10) as db:
        row = db.execute(
            "select (extract(epoch from up_to) * 1000)::bigint from chassis_pruned where what = 'chassis_outbox'"
        ).fetchone()
    return int(row[0]) if row else 0
