"""One monitor a module, as a process; a module with a virtual clock holds its hand."""

from collections.abc import Iterator

import pytest
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire


@pytest.fixture(scope="module")
def wire(embedded: Embedded) -> Wire:
    return Wire(embedded.kafka)


@pytest.fixture
def deadlines(wire: Wire) -> Iterator[Reader]:
    """What the monitor says from the beginning of the test."""
    reader = wire.reader("amanah.deadlines")
    yield reader
    reader.close()
