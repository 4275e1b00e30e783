"""One notifier process for all tests that do not need another; its receivers live as long as each test."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.notifier.support import Intake
from tests.support.process import ServiceProcess, free_port
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire

from amanah import project
from amanah.sinks import Sinks

RETRIES = [0, 0.2, 0.4, 0.8, 1.6, 3, 6, 12]


@dataclass
class Ports:
    webhook: int
    smtp: int
    intake: int


@pytest.fixture(scope="package")
def ports() -> Ports:
    return Ports(free_port(), free_port(), free_port())


@pytest.fixture(scope="package")
def process(embedded: Embedded, ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    notifier = ServiceProcess(
        "notifier",
        kafka=embedded.kafka,
        database=embedded.database(),
        pack=project.pack("nyc311"),
        home=tmp_path_factory.mktemp("notifier"),
        http={"intake": ports.intake},
        AMANAH_SINK_URL=f"http://127.0.0.1:{ports.webhook}",
        AMANAH_SMTP=f"127.0.0.1:{ports.smtp}",
        AMANAH_WEBHOOK_ALLOW_LOCAL="true",
        AMANAH_RETRY_SECONDS=str(RETRIES),
        AMANAH_SEND_TIMEOUT_SECONDS="2",
        AMANAH_LEASE_SECONDS="5",
    )
    yield notifier
    notifier.stop()


@pytest.fixture
def notifier(process: ServiceProcess) -> ServiceProcess:
    """Running, whatever an earlier test did to it."""
    if not process.running:
        process.start()
    return process


@pytest.fixture
async def sinks(ports: Ports, tmp_path: Path) -> AsyncIterator[Sinks]:
    async with Sinks(tmp_path / "sinks", ports.webhook, ports.smtp) as receivers:
        yield receivers


@pytest.fixture
async def intake(ports: Ports) -> AsyncIterator[Intake]:
    async with Intake(ports.intake) as door:
        yield door


@pytest.fixture(scope="package")
def wire(embedded: Embedded) -> Wire:
    return Wire(embedded.kafka)


@pytest.fixture
def notices(wire: Wire) -> Iterator[Reader]:
    """What the notifier says from the beginning of the test."""
    reader = wire.reader("amanah.notices")
    yield reader
    reader.close()
