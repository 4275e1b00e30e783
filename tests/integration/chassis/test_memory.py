"""What a batch leaves behind in memory once it has had its effect: nothing."""

import gc
from uuid import uuid4

from aiokafka import ConsumerRecord
from tests.support.ledger_service import Ledger, Writer, until


def held(ledger: Ledger) -> list[int]:
    """Offsets of the topic's records that something still refers to."""
    gc.collect()
    return sorted(it.offset for it in gc.get_objects() if isinstance(it, ConsumerRecord) and it.topic == ledger.topic)


async def test_records_are_let_go_when_the_next_batch_has_come(ledger: Ledger, writer: Writer) -> None:
    """Also by what was first used while they were handled and lives on, such as a prepared statement with a timer."""
    async with ledger.consuming():
        for n in range(50):
            writer.good(uuid4(), 1, str(n))
        writer.flush()
        await until(lambda: effects(ledger, 50), "the first batch")
        assert held(ledger), "or else records are no longer what this test looks for"
        writer.good(uuid4(), 1, "last")
        writer.flush()
        await until(lambda: effects(ledger, 51), "the second batch")
        assert [offset for offset in held(ledger) if offset < 50] == []


async def effects(ledger: Ledger, count: int) -> bool:
    return len(await ledger.effects()) == count
