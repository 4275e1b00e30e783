"""The monitor is away for an hour of virtual time, with ten thousand deadlines inside."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.integration.sla_monitor.support import make_monitor
from tests.support.events import submitted
from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire, eventually

MANY = 10_000
BEGIN = datetime(2026, 6, 22, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def monitor(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = make_monitor(embedded, tmp_path_factory.mktemp("monitor"))
    yield process
    process.stop()


async def test_wish_01_all_of_them_fire_on_return_once_with_both_instants_the_oldest_first(
    monitor: ServiceProcess, wire: Wire, deadlines: Reader
) -> None:
    clock = VirtualClock(monitor, BEGIN)
    monitor.start()
    due = {uuid4(): BEGIN + HOUR * n / MANY for n in range(1, MANY + 1)}
    wire.send(*(submitted(complaint, BEGIN, given_due_at=instant) for complaint, instant in due.items()))
    await eventually(lambda: monitor.sql("select count(*) from deadline") == [(MANY,)], "the clocks")
    monitor.kill()
    clock.step(BEGIN + HOUR)
    clock.settle()
    monitor.start()
    await deadlines.until(lambda: len(breaches(deadlines, due)) == MANY, "every breach")
    none_left = "select not exists (select from chassis_outbox where sent_at is null)"
    await eventually(lambda: monitor.sql(none_left) == [(True,)], "the relay")
    await deadlines.until(lambda: True)
    said = Counter(r.complaint for r in deadlines.records if r.type == "deadline.breached.v1" and r.complaint in due)
    assert said == dict.fromkeys(due, 1)
    for record in deadlines.records:
        if record.type == "deadline.breached.v1" and record.complaint in due:
            assert record.instant("breached_at") == due[record.complaint]
            assert record.instant("detected_at") == BEGIN + HOUR, "when it was detected is said beside it"
    order = monitor.sql("select due_at from fired order by detected_at, due_at")
    assert [instant for (instant,) in order] == sorted(due.values())


def breaches(reader: Reader, due: dict[UUID, datetime]) -> set[UUID]:
    return {r.complaint for r in reader.records if r.type == "deadline.breached.v1" and r.complaint in due}
