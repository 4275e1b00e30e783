"""One intake a module, as a process with a database of its own, and a reader of what it publishes."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.integration.intake.support import Door, make_intake
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire


@pytest.fixture(scope="module")
def intake(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    service = make_intake(embedded, tmp_path_factory.mktemp("intake"))
    try:
        service.start()
        yield service
    finally:
        service.stop()


@pytest.fixture
async def door(intake: ServiceProcess) -> AsyncIterator[Door]:
    async with Door(intake) as door:
        yield door


@pytest.fixture(scope="module")
def wire(embedded: Embedded) -> Wire:
    return Wire(embedded.kafka)


@pytest.fixture
def complaints(wire: Wire) -> Iterator[Reader]:
    """What is published on `amanah.complaints` from the beginning of the test."""
    reader = wire.reader("amanah.complaints")
    yield reader
    reader.close()
