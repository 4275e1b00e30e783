"""One desk a module, as a process of its own, and two agencies that write to it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.integration.casework.support import Agency
from tests.support.process import ServiceProcess
from tests.support.running import running
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire


@pytest.fixture(scope="module")
def desk(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running("casework", embedded, tmp_path_factory.mktemp("desk")) as process:
        yield process


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
    with closing(wire.reader("amanah.cases", "amanah.agency.dot", "amanah.agency.nypd")) as reader:
        yield reader
