"""The world at fault: the chassis waits, recovers by itself, and says the truth about itself meanwhile."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from tests.support.faults import Stopped, Unreachable, cut_connections
from tests.support.ledger_service import Book, Ledger, Writer, noted_on, on_thing_noted, prepare, record, until
from tests.support.stack import Embedded

from amanah.embedded import ports
from amanah_chassis import service as services
from amanah_chassis.chassis import Chassis
from amanah_chassis.service import Service
from amanah_chassis.settings import ChassisSettings
from amanah_contracts.envelope import Registry


async def test_cut_connections_are_waited_out_and_nothing_is_blamed(ledger: Ledger) -> None:
    cuts = 3

    async def cut() -> None:
        nonlocal cuts
        if cuts:
            cuts -= 1
            await cut_connections(ledger.dsn)

    ledger.book.before_return = cut
    subjects = [uuid4() for _ in range(20)]
    await ledger.consumer.apply([record(ledger.topic, s, 1, str(s), n) for n, s in enumerate(subjects)])
    assert sorted(await ledger.effects()) == sorted(map(str, subjects))
    assert await ledger.letters() == []
    assert cuts == 0


async def test_a_database_that_is_away_is_waited_for(embedded: Embedded, ledger: Ledger, writer: Writer) -> None:
    subject = uuid4()
    name = urlsplit(ledger.dsn).path.strip("/")
    async with ledger.consuming():
        writer.good(subject, 1, "before")
        writer.flush()
        await until(lambda: count(ledger, 1))
        async with Unreachable(embedded.stack.admin_dsn(), name):
            writer.good(subject, 2, "meanwhile")
            writer.flush()
            await asyncio.sleep(1)  # long enough for several attempts; nothing can be observed while it is away
        await until(lambda: count(ledger, 2))
    assert await ledger.effects() == ["before", "meanwhile"]
    assert await ledger.letters() == []


async def test_a_kafka_that_is_killed_is_waited_for(embedded: Embedded, ledger: Ledger, writer: Writer) -> None:
    subject = uuid4()
    async with ledger.consuming():
        writer.good(subject, 1, "before")
        writer.flush()
        await until(lambda: count(ledger, 1))
        embedded.stack.kill("kafka")
        writer.good(subject, 2, "after")
        writer.flush()
        await until(lambda: count(ledger, 2), at_most=60)
    assert await ledger.effects() == ["before", "after"]


async def test_alive_without_kafka_and_postgres_but_not_ready(embedded: Embedded, topic: str) -> None:
    dsn = embedded.database()
    await prepare(dsn)
    async with running(embedded.kafka, dsn, topic) as http:
        await until(lambda: answers(http, "/readyz", 200))

        with Stopped(embedded.stack.pid("kafka")):
            await until(lambda: answers(http, "/readyz", 503))
            assert (await http.get("/readyz")).json()["faults"] == {"kafka": "Kafka does not answer"}
            assert (await http.get("/livez")).status_code == 200
        await until(lambda: answers(http, "/readyz", 200), at_most=60)

        async with Unreachable(embedded.stack.admin_dsn(), urlsplit(dsn).path.strip("/")):
            await until(lambda: answers(http, "/readyz", 503))
            assert list((await http.get("/readyz")).json()["faults"]) == ["postgres"]
            assert (await http.get("/livez")).status_code == 200
        await until(lambda: answers(http, "/readyz", 200))


async def test_a_service_whose_kafka_comes_later_is_alive_and_then_ready(database: str, topic: str) -> None:
    await prepare(database)
    async with running("127.0.0.1:1", database, topic) as http:
        await until(lambda: answers(http, "/livez", 200))
        response = await http.get("/readyz")
        assert (response.status_code, response.json()["faults"]) == (503, {"kafka": "Kafka does not answer"})


async def test_a_service_tells_its_metrics_and_ends_on_sigterm(embedded: Embedded, database: str, topic: str) -> None:
    await prepare(database)
    writer = Writer(embedded.kafka, topic)
    writer.good(uuid4(), 2, "behind a gap")
    writer.put(None, None, [])
    writer.flush()
    async with running(embedded.kafka, database, topic) as http:
        line = f'amanah_dlq_total{{reason="undecodable",topic="{topic}"}} 1.0'
        await until(lambda: contains(http, line))
        await until(lambda: contains(http, "\namanah_dlq_depth 1.0"))
        await until(lambda: contains(http, "\namanah_seq_parked 1.0"))


async def test_a_fault_of_the_chassis_itself_ends_the_process_and_skips_nothing(
    embedded: Embedded, ledger: Ledger, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise AssertionError("a bug of the chassis")

    apply = ledger.consumer.apply
    monkeypatch.setattr(ledger.consumer, "apply", broken)
    writer.good(uuid4(), 1, "kept")
    writer.flush()
    async with ledger.consuming():
        await until(lambda: ledger.crashes)
    ledger.crashes.clear()
    monkeypatch.setattr(ledger.consumer, "apply", apply)
    async with ledger.consuming():
        await until(lambda: count(ledger, 1))


@asynccontextmanager
async def running(kafka: str, dsn: str, topic: str) -> AsyncIterator[httpx.AsyncClient]:
    """A whole service in this process; it is told to end by SIGTERM, as any other."""
    event = noted_on(topic)

    async def make_context(_: Chassis) -> Book:
        return Book()

    service: Service[Book] = Service(
        name=f"tests.{topic}",
        package="amanah_chassis",
        settings=ChassisSettings,
        make_context=make_context,
        consumes={event: on_thing_noted},
        produces=frozenset(),
        registry=Registry(event),
    )
    port = ports.choose(["it"], topic, {}, {}, None)["it"]
    settings = ChassisSettings(kafka=kafka, database=dsn, http=f"127.0.0.1:{port}")
    task = asyncio.create_task(services.run(service, settings))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            yield http
    finally:
        if not task.done():
            signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await task


async def answers(http: httpx.AsyncClient, path: str, code: int) -> bool:
    try:
        return (await http.get(path)).status_code == code
    except httpx.TransportError:
        return False


async def contains(http: httpx.AsyncClient, line: str) -> bool:
    try:
        return line in (await http.get("/metrics")).text
    except httpx.TransportError:
        return False


async def count(ledger: Ledger, at_least: int) -> bool:
    return len(await ledger.effects()) >= at_least
