"""With the real intake: a citizen's address is asked for when it is used, and stays nowhere else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from tests.support.events import routed
from tests.support.process import ServiceProcess, free_port
from tests.support.stack import Embedded
from tests.support.wire import Wire, eventually

from amanah import project
from amanah.sinks import Sinks

CANARY = "canary.of.privacy"
ADDRESS = f"{CANARY}@example.org"
FORM = {
    "narrative": "The street light before the school has been dark for two weeks.",
    "category": "Street Light Condition",
    "identity": {"email": ADDRESS},
}


@pytest.fixture(scope="module")
def services(
    embedded: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServiceProcess, ServiceProcess, int, int]]:
    """Intake and notifier, and the ports where webhooks and mail are awaited."""
    home, webhook, smtp = tmp_path_factory.mktemp("contact"), free_port(), free_port()
    shared = {"kafka": embedded.kafka, "pack": project.pack("nyc311"), "home": home}
    intake = ServiceProcess("intake", database=embedded.database(), **shared)  # type: ignore[arg-type]
    notifier = ServiceProcess(
        "notifier",
        database=embedded.database(),
        http={"intake": intake.port},
        AMANAH_SINK_URL=f"http://127.0.0.1:{webhook}",
        AMANAH_SMTP=f"127.0.0.1:{smtp}",
        AMANAH_WEBHOOK_ALLOW_LOCAL="true",
        **shared,  # type: ignore[arg-type]
    )
    intake.start()
    notifier.start()
    yield intake, notifier, webhook, smtp
    notifier.stop()
    intake.stop()


def everything_stored(dsn: str) -> str:
    """Every row of every table of a database, as text."""
    with psycopg.connect(dsn) as db:
        tables = db.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        rows = [db.execute(f'select to_jsonb(t)::text from "{table}" t').fetchall() for (table,) in tables]
        # The outbox's bodies are bytes, which JSON shows in hexadecimal.
        bodies = db.execute("select convert_from(value, 'UTF8') from chassis_outbox").fetchall()
    return json.dumps([rows, bodies])


async def file(intake: ServiceProcess) -> UUID:
    async with httpx.AsyncClient(base_url=intake.url) as client:
        answer = await client.post("/complaints", json=FORM, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["complaint_id"])


def mails_about(complaint: UUID, sinks: Sinks) -> list[dict[str, Any]]:
    """A new notifier reads the topics from their beginning, so it may also mail what other tests have left there."""
    mails = [json.loads(line) for line in sinks.mail.path.read_text().splitlines()]
    return [mail for mail in mails if mail["complaint_id"] == str(complaint)]


async def test_the_address_reaches_the_mail_and_nothing_else(
    services: tuple[ServiceProcess, ServiceProcess, int, int], wire: Wire, tmp_path: Path
) -> None:
    intake, notifier, webhook, smtp = services
    reader = wire.reader(
        "amanah.complaints", "amanah.assignments", "amanah.notices", "amanah.agency.dot", "amanah.ombudsman"
    )
    async with Sinks(tmp_path, webhook, smtp) as sinks:
        complaint = await file(intake)
        wire.send(routed(complaint, datetime.now(UTC)))
        await reader.wait_for(complaint, "complaint.submitted", "complaint.routed", "notice.sent")
    assert [mail["recipients"] for mail in mails_about(complaint, sinks)] == [[ADDRESS]]
    assert CANARY not in everything_stored(notifier.database)
    assert CANARY not in notifier.log.read_text()
    assert not [record for record in reader.records if CANARY in record.raw]
    assert CANARY not in notifier.get("/metrics")
    reader.close()
    read = "select reader, purpose, given from intake_identity_read where complaint_id = %s"
    assert intake.sql(read, complaint) == [("notifier", "notice", True)], "the reading itself is on record"


async def test_after_erasure_there_is_nobody_to_tell(
    services: tuple[ServiceProcess, ServiceProcess, int, int], wire: Wire, tmp_path: Path
) -> None:
    intake, notifier, webhook, smtp = services
    async with Sinks(tmp_path, webhook, smtp) as sinks:
        complaint = await file(intake)
        token = {"Authorization": f"Bearer {intake.secrets.token().read_text().strip()}"}
        async with httpx.AsyncClient(base_url=intake.url) as client:
            erased = await client.post(f"/internal/complaints/{complaint}/erase", headers=token)
        assert erased.status_code == 204
        wire.send(routed(complaint, datetime.now(UTC)))
        state = "select state from notifier_delivery where complaint_id = %s"
        await eventually(lambda: notifier.sql(state, complaint) == [("not_wanted",)], "the notice to be dropped")
    assert mails_about(complaint, sinks) == []


async def test_nobody_without_the_token_is_given_an_address(
    services: tuple[ServiceProcess, ServiceProcess, int, int],
) -> None:
    intake, _, _, _ = services
    complaint = await file(intake)
    async with httpx.AsyncClient(base_url=intake.url) as client:
        for token in ({}, {"Authorization": "Bearer wrong"}):
            refused = await client.get(f"/internal/complaints/{complaint}/contact", headers=token)
            assert (refused.status_code, CANARY in refused.text) == (401, False)
