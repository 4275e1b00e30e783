"""One routing service a module, as a process of its own, with the shipped rules of New York."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import httpx
import pytest
from tests.support.process import ServiceProcess
from tests.support.running import running
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire


@pytest.fixture(scope="module")
def router(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running("routing", embedded, tmp_path_factory.mktemp("router")) as process:
        yield process


@pytest.fixture(scope="module")
def wire(embedded: Embedded) -> Wire:
    return Wire(embedded.kafka)


@pytest.fixture
def said(wire: Wire) -> Iterator[Reader]:
    """What routing says from the beginning of the test, to everybody and to three agencies."""
    agencies = ("amanah.agency.dot", "amanah.agency.dep", "amanah.agency.doi")
    with closing(wire.reader("amanah.assignments", *agencies)) as reader:
        yield reader


@pytest.fixture
async def officer(router: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A person in triage: a caller that holds the service token."""
    token = router.secrets.token().read_text().strip()
    async with httpx.AsyncClient(
        base_url=router.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        yield client
