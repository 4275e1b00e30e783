"""A ledger service on a topic and a database of the test's own."""

from collections.abc import AsyncIterator

import pytest
from tests.support.ledger_service import Ledger, Writer, at_work, prepare
from tests.support.stack import Embedded


@pytest.fixture
def topic(embedded: Embedded) -> str:
    return embedded.topic(max_message_bytes="4000000")


@pytest.fixture
async def ledger(embedded: Embedded, database: str, topic: str) -> AsyncIterator[Ledger]:
    await prepare(database)
    async with at_work(embedded.kafka, database, topic) as service:
        yield service
        assert not service.crashes


@pytest.fixture
def writer(embedded: Embedded, topic: str) -> Writer:
    return Writer(embedded.kafka, topic)
