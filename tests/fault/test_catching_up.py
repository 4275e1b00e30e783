"""What the lab found, made small: a monitor that comes back and finds everything already in Kafka, and one that cannot read
what lies there."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.integration.sla_monitor.support import make_monitor
from tests.support.events import routed, submitted
from tests.support.faults import Stopped
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire


@pytest.fixture
def monitor(embedded: Embedded, tmp_path: Path) -> Iterator[ServiceProcess]:
    process = make_monitor(embedded, tmp_path)
    yield process
    process.stop()


async def caught_up(wire: Wire, reader: Reader) -> None:
    """Until something that fell due just now is said: by then all there was has been read."""
    now, some = datetime.now(UTC), uuid4()
    wire.send(submitted(some, now, given_due_at=now))
    await reader.wait_for(some, "deadline.breached")


async def test_a_breach_found_while_catching_up_names_the_agency_that_held_the_complaint(
    embedded: Embedded, monitor: ServiceProcess
) -> None:
    wire, complaint, now = Wire(embedded.kafka), uuid4(), datetime.now(UTC)
    reader = wire.reader("amanah.deadlines")
    filed, due = now - timedelta(seconds=20), now - timedelta(seconds=5)
    wire.send(submitted(complaint, filed, given_due_at=due), routed(complaint, filed + timedelta(seconds=1)))
    monitor.start()  # only now: it has been away since before the filing
    try:
        *_, breach = await reader.wait_for(complaint, "deadline.breached")
    finally:
        reader.close()
    assert breach.instant("due_at") == due
    assert breach.body.get("agency") == "dot"


@pytest.mark.parametrize("known", [True, False], ids=["the filing was known", "nothing was known"])
async def test_a_monitor_that_stood_still_reads_first_and_then_says_what_has_passed(
    embedded: Embedded, monitor: ServiceProcess, known: bool
) -> None:
    wire, complaint = Wire(embedded.kafka), uuid4()
    reader = wire.reader("amanah.deadlines")
    monitor.start()
    try:
        await caught_up(wire, reader)
        now = datetime.now(UTC)
        filing, due = submitted(complaint, now, given_due_at=now + timedelta(seconds=2)), now + timedelta(seconds=2)
        if known:
            wire.send(filing)
            await reader.wait_for(complaint, "deadline.started")
        monitor.freeze()
        if not known:
            wire.send(filing)
        wire.send(routed(complaint, now + timedelta(seconds=1)))
        await asyncio.sleep(5)
        monitor.thaw()
        *_, breach = await reader.wait_for(complaint, "deadline.breached")
    finally:
        reader.close()
    assert breach.instant("due_at") == due
    assert breach.body.get("agency") == "dot"


async def test_while_kafka_is_away_what_passes_waits_for_what_lies_there_unread(
    embedded: Embedded, monitor: ServiceProcess
) -> None:
    wire, complaint = Wire(embedded.kafka), uuid4()
    reader = wire.reader("amanah.deadlines")
    monitor.start()
    try:
        await caught_up(wire, reader)
        now = datetime.now(UTC)
        due = now + timedelta(seconds=6)
        wire.send(submitted(complaint, now, given_due_at=due))
        await reader.wait_for(complaint, "deadline.started")
        monitor.freeze()
        await asyncio.sleep(0.5)  # the question that it asked is answered: there is nothing new
        wire.send(routed(complaint, now + timedelta(seconds=1)))
        with Stopped(embedded.stack.pid("kafka")):
            monitor.thaw()
            await asyncio.sleep((due - datetime.now(UTC)).total_seconds() + 2)
        *_, breach = await reader.wait_for(complaint, "deadline.breached")
    finally:
        reader.close()
    assert breach.instant("due_at") == due
    assert breach.body.get("agency") == "dot"
