"""One routing service a module, as a process of its own, with the shipped rules of New York."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire

from amanah import project


@pytest.fixture(scope="module")
def router(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = ServiceProcess(
        "routing",
        kafka=embedded.kafka,
        database=embedded.database(),
        pack=project.pack("nyc311"),
        home=tmp_path_factory.mktemp("router"),
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def wire(embedded: Embedded) -> Wire:
    return Wire(embedded.kafka)


@pytest.fixture
def said(wire: Wire) -> Iterator[Reader]:
    """What routing says from the beginning of the test, to everybody and to three agencies."""
    reader = wire.reader("amanah.assignments", "amanah.agency.dot", "amanah.agency.dep", "amanah.agency.doi")
    yield reader
    reader.close()


@pytest.fixture
async def officer(router: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A person in triage: a caller that holds the service token."""
    token = router.secrets.token().read_text().strip()
    async with httpx.AsyncClient(
        base_url=router.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        yield client
