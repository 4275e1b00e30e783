"""The delivery worker against a real Postgres: leases, the end of the schedule, and addresses that may not be reached."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.integration.notifier.support import breached, withdrawn
from tests.support.events import submitted
from tests.support.process import ServiceProcess, free_port, sql
from tests.support.stack import Embedded
from tests.support.wire import eventually

from amanah import project
from amanah.embedded.secrets import Secrets
from amanah.sinks import Sinks, WebhookFault
from amanah_chassis.batch import Origin
from amanah_chassis.chassis import Chassis
from amanah_chassis.consumer import Consumer
from amanah_chassis.database import migrate
from amanah_contracts.envelope import Event
from amanah_contracts.registry import REGISTRY
from amanah_notifier import app, store
from amanah_notifier.settings import NotifierSettings

MANY = 60
NOW = datetime(2026, 3, 16, tzinfo=UTC)


def settings(
    embedded: Embedded, database: str, home: Path, sinks: Sinks | None = None, **more: Any
) -> NotifierSettings:
    secrets = Secrets(home / "secrets")
    given: dict[str, Any] = {
        "kafka": embedded.kafka,
        "database": database,
        "pack": project.pack("nyc311"),
        "intake_url": "http://127.0.0.1:9",
        "sink_url": sinks.webhook_url if sinks else "https://sink.example",
        "smtp": sinks.smtp if sinks else f"127.0.0.1:{free_port()}",
        "webhook_secret_file": secrets.webhook(),
        "service_token_file": secrets.token(),
        "webhook_allow_local": True,
        "retry_seconds": (0, 0.05, 0.05),
    }
    return NotifierSettings(**given | more)


@asynccontextmanager
async def working(told: NotifierSettings) -> AsyncIterator[Consumer]:
    """A delivery worker at work; what is applied to the consumer is queued for it."""
    async with Chassis.open(told, "notifier") as chassis:
        context = await app.make_context(chassis)
        work = asyncio.create_task(app.deliver(context, chassis))
        try:
            yield Consumer(chassis, context, REGISTRY, app.CONSUMES)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work


def record(event: Event, offset: int, sequence: int = 1) -> Origin:
    headers = {"ce_id": str(uuid4()), "ce_type": event.type(), "ce_source": event.topic, "ce_sequence": str(sequence)}
    packed = tuple((name, value.encode()) for name, value in headers.items())
    return Origin(event.topic, 0, offset, NOW, str(event.subject).encode(), packed, event.view(None))


async def queue(consumer: Consumer, complaints: list[UUID], agency: str = "dot") -> None:
    filings = [record(submitted(complaint, NOW), n) for n, complaint in enumerate(complaints)]
    breaches = [record(breached(complaint, agency), n) for n, complaint in enumerate(complaints)]
    await consumer.apply([*filings, *breaches])


async def until_settled(database: str) -> None:
    pending = "select count(*) from notifier_delivery where state = 'pending'"
    await eventually(lambda: sql(database, pending) == [(0,)], "every notice to be settled")


@pytest.fixture
async def notices(database: str) -> str:
    """DSN of a migrated database."""
    await migrate(database, ("amanah_chassis", "amanah_notifier"))
    return database


async def test_two_workers_never_send_the_same_notice(embedded: Embedded, notices: str, tmp_path: Path) -> None:
    async with Sinks(tmp_path) as sinks:
        one = settings(embedded, notices, tmp_path, sinks, instance="one", concurrency=4, lane_concurrency=2)
        two = settings(embedded, notices, tmp_path, sinks, instance="two", concurrency=4, lane_concurrency=2)
        async with working(one) as consumer, working(two):
            await queue(consumer, [uuid4() for _ in range(MANY)])
            await until_settled(notices)
        attempts = Counter(attempt.notice for attempt in sinks.attempts)
        assert len(attempts) == 3 * MANY
        assert set(attempts.values()) == {1}
        assert sql(notices, "select count(*) from notifier_delivery where claims <> 1 or state <> 'sent'") == [(0,)]


async def test_each_host_and_the_relay_have_room_of_their_own(embedded: Embedded, notices: str, tmp_path: Path) -> None:
    """Of 60 mails and 120 webhooks to one host nobody takes more than there is room for, whatever else waits."""
    async with Sinks(tmp_path) as sinks:
        idle = settings(embedded, notices, tmp_path, sinks)
        async with Chassis.open(idle, "notifier") as chassis:
            consumer = Consumer(chassis, await app.make_context(chassis), REGISTRY, app.CONSUMES)
            await queue(consumer, [uuid4() for _ in range(MANY)])
            async with chassis.pool.acquire() as db:
                first = Counter(n.lane for n in await store.claim(db, "a", store.Room(50, 4, 9), {}, 60))
                hosts = first.keys() - {store.MAIL}
                assert first == {store.MAIL: 9} | dict.fromkeys(hosts, 4)
                second = Counter(n.lane for n in await store.claim(db, "a", store.Room(50, 6, 9), first, 60))
                assert second == dict.fromkeys(hosts, 2)
                third = await store.claim(
                    db, "a", store.Room(first.total() + second.total() + 3, 99, 99), first + second, 60
                )
                assert len(third) == 3


async def test_a_lost_worker_s_notice_is_taken_over_and_its_late_answer_changes_nothing(
    embedded: Embedded, notices: str, tmp_path: Path
) -> None:
    complaint = uuid4()
    async with Sinks(tmp_path) as sinks:
        # The first worker waits for an answer for longer than its lease: to everyone else it is lost.
        slow = settings(embedded, notices, tmp_path, sinks, instance="slow", lease_seconds=0.5, send_timeout_seconds=3)
        sinks.webhook_fault, sinks.webhook_fault_left = WebhookFault.TIMEOUT, 2
        async with working(slow) as consumer:
            await queue(consumer, [complaint])
            await eventually(lambda: len([a for a in sinks.attempts if a.fault == "timeout"]) == 2, "the slow attempts")
            quick = settings(embedded, notices, tmp_path, sinks, instance="quick")
            async with working(quick):
                await until_settled(notices)
                sent = sql(notices, "select id, state, result, attempts, claims from notifier_delivery order by id")
                assert {row[1] for row in sent} == {"sent"}
                assert sorted(row[4] for row in sent) == [1, 2, 2], "both webhooks were claimed anew"
                await asyncio.sleep(3.2)  # the very thing under test: the slow worker's time-out runs out in real time
        assert sql(notices, "select id, state, result, attempts, claims from notifier_delivery order by id") == sent
        said = "select count(*), count(distinct subject) from chassis_outbox where type = 'notice.sent.v1'"
        assert sql(notices, said) == [(3, 1)], "each told once in Kafka"


async def test_what_became_untrue_while_its_worker_died_is_not_sent_again(
    embedded: Embedded, notices: str, tmp_path: Path
) -> None:
    complaint = uuid4()
    async with Sinks(tmp_path) as sinks:
        sinks.webhook_fault, sinks.webhook_fault_left = WebhookFault.TIMEOUT, 2
        async with working(settings(embedded, notices, tmp_path, sinks, send_timeout_seconds=60)) as consumer:
            await queue(consumer, [complaint])
            await eventually(lambda: len([a for a in sinks.attempts if a.fault == "timeout"]) == 2, "the slow attempts")
            mailed = "select state from notifier_delivery where channel = 'email'"
            await eventually(lambda: sql(notices, mailed) == [("sent",)], "the mail, which is not slow")
            await consumer.apply([record(withdrawn(complaint), 1, sequence=2)])
        held = "select count(*) from notifier_delivery where untrue and state = 'pending' and leased_by is not null"
        assert sql(notices, held) == [(2,)], "its end is not known"
        before = len(sinks.attempts)
        async with working(settings(embedded, notices, tmp_path, sinks)):
            await until_settled(notices)
        again = Counter(attempt.target for attempt in list(sinks.attempts)[before:])
    ended = "select stem, state, count(*) from notifier_delivery where channel = 'webhook' group by 1, 2 order by 1"
    assert sql(notices, ended) == [("deadline.breach_withdrawn", "sent", 2), ("deadline.breached", "superseded", 2)]
    assert max(again.values()) == 1, "only the corrections"


async def test_when_the_schedule_is_used_up_a_person_is_told(embedded: Embedded, notices: str, tmp_path: Path) -> None:
    complaint = uuid4()
    async with Sinks(tmp_path) as sinks:
        sinks.webhook_fault = WebhookFault.SERVER_ERROR
        async with working(settings(embedded, notices, tmp_path, sinks)) as consumer:
            await queue(consumer, [complaint])
            await until_settled(notices)
        assert set(Counter(a.notice for a in sinks.attempts if a.fault == "500").values()) == {3}
    failed = (
        "select convert_from(value, 'UTF8')::jsonb ->> 'recipient', convert_from(value, 'UTF8')::jsonb ->> 'reason',"
        " convert_from(value, 'UTF8')::jsonb ->> 'attempts' from chassis_outbox"
        " where type = 'notice.failed.v1' and topic = 'amanah.notices' order by 1"
    )
    assert sql(notices, failed) == [("agency:dot", "http 500", "3"), ("ombudsman", "http 500", "3")]


async def test_a_redirect_is_not_followed(embedded: Embedded, notices: str, tmp_path: Path) -> None:
    async with Sinks(tmp_path) as sinks:
        sinks.webhook_fault, sinks.webhook_fault_left = WebhookFault.MOVED, 2
        async with working(settings(embedded, notices, tmp_path, sinks)) as consumer:
            await queue(consumer, [uuid4()])
            await until_settled(notices)
        assert {a.target for a in sinks.attempts} == {"/agency/dot", "/ombudsman", "superior+dot@sink.invalid"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_webhook_cannot_reach_into_our_own_network(
    embedded: Embedded, notices: str, tmp_path: Path, host: str
) -> None:
    knocks: list[Any] = []

    async def knocked(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(writer.get_extra_info("peername"))
        writer.close()

    inside = await asyncio.start_server(knocked, "::1" if host == "[::1]" else "127.0.0.1", 0)
    port = inside.sockets[0].getsockname()[1]
    async with inside:
        told = settings(
            embedded,
            notices,
            tmp_path,
            webhook_allow_local=False,
            sink_url=f"https://{host}:{port}",
            retry_seconds=(0,),
        )
        async with working(told) as consumer:
            await queue(consumer, [uuid4()])
            await until_settled(notices)
    results = "select channel, state, result, attempts from notifier_delivery where channel = 'webhook'"
    assert sql(notices, results) == [("webhook", "failed", "address_forbidden", 0)] * 2
    assert not knocks


def test_plain_http_is_refused_at_the_start(embedded: Embedded, database: str, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(project.pack("nyc311"), pack)
    notifier = ServiceProcess(
        "notifier",
        kafka=embedded.kafka,
        database=database,
        pack=pack,
        home=tmp_path,
        http={"intake": free_port()},
        AMANAH_SINK_URL="http://169.254.169.254",
        AMANAH_SMTP="127.0.0.1:9",
    )
    code, words = notifier.run_to_its_end()
    assert code == 2
    assert "recipients.yaml: recipients.agency.webhook: https is required" in words
    assert "Traceback" not in words
