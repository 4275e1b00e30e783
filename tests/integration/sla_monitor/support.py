"""What the monitor's tests ask and wait for. Answers come from its tables and from Kafka, never from its code."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Record, eventually

from amanah import project


def make_monitor(embedded: Embedded, home: Path, pack: str = "nyc311", **more: str) -> ServiceProcess:
    database = more.pop("database", "") or embedded.database()
    return ServiceProcess(
        "sla_monitor", kafka=embedded.kafka, database=database, pack=project.pack(pack), home=home, **more
    )


async def knows(monitor: ServiceProcess, complaint: UUID, facts: int) -> None:
    """Returns when so many facts about a complaint have been applied."""
    count = "select coalesce((select jsonb_array_length(facts) from casefile where complaint_id = %s), 0)"
    await eventually(lambda: monitor.sql(count, complaint) == [(facts,)], f"{facts} facts")


async def fall_due(monitor: ServiceProcess, clock: VirtualClock, at: datetime) -> None:
    """Steps to `at`, lets fall what is due, and returns when nothing is left that should."""
    clock.step(at)
    clock.settle()
    none_left = "select not exists (select from deadline where next_fire_at <= chassis_settled())"
    await eventually(lambda: monitor.sql(none_left) == [(True,)], "the ticker")


async def everything(monitor: ServiceProcess, reader: Reader, complaint: UUID) -> list[Record]:
    """All that the monitor has committed about a complaint, as Kafka has it: each once, in the order of its numbers."""
    unsent = "select count(*) from chassis_outbox where sent_at is null"
    await eventually(lambda: monitor.sql(unsent) == [(0,)], "the relay")
    committed = "select event_id from chassis_outbox where topic = 'amanah.deadlines' and subject = %s"
    ids = {str(event_id) for (event_id,) in monitor.sql(committed, complaint)}
    await reader.until(lambda: ids <= {r.id for r in reader.of(complaint)}, "what was committed")
    records = {r.id: r for r in reader.of(complaint)}
    assert records.keys() == ids, "Kafka has what was never committed"
    return sorted(records.values(), key=lambda r: r.sequence)


def words(records: list[Record], stage: str = "") -> list[str]:
    """`started`, `met`, `breached` …: what was said, of one stage or of all."""
    told = [r for r in records if not stage or r.body["stage"] == stage]
    return [r.type.removeprefix("deadline.").removesuffix(".v1") for r in told]
