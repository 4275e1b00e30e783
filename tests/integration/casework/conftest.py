"""One desk a module, as a process of its own, and two agencies that write to it."""

from collections.abc import Iterator

import pytest
from tests.integration.casework.support import Agency
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire

from amanah import project


@pytest.fixture(scope="module")
def desk(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = ServiceProcess(
        "casework",
        kafka=embedded.kafka,
        database=embedded.database(),
        pack=project.pack("nyc311"),
        home=tmp_path_factory.mktemp("desk"),
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def wire(embedded: Embedded) -> Wire:
    return Wire(embedded.kafka)


@pytest.fixture(scope="module")
def dot(embedded: Embedded) -> Agency:
    return Agency(embedded.kafka, "dot")


@pytest.fixture(scope="module")
def nypd(embedded: Embedded) -> Agency:
    return Agency(embedded.kafka, "nypd")


@pytest.fixture
def said(wire: Wire) -> Iterator[Reader]:
    """What the desk says from the beginning of the test, to everybody and to the two agencies."""
    reader = wire.reader("amanah.cases", "amanah.agency.dot", "amanah.agency.nypd")
    yield reader
    reader.close()
