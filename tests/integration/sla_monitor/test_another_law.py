"""A holiday decreed late, a rule struck out: whom it would move, and moving them, while the monitor runs."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import psycopg
import pytest
from tests.integration.sla_monitor.support import everything, fall_due, knows, words
from tests.support.events import case, routed, submitted
from tests.support.process import ServiceProcess, VirtualClock
from tests.support.stack import Embedded
from tests.support.wire import Reader, Wire, eventually

from amanah import project
from amanah.fault import Fault
from amanah.law import walk as walks
from amanah.law.place import Place, law, opened
from amanah.law.tally import Tally
from amanah_sla_monitor import recalculate, telling

WITA = ZoneInfo("Asia/Makassar")
HOLDER = "kalsel-pupr"
FILED = datetime(2026, 6, 2, 9, tzinfo=WITA)
"""A Tuesday: five working days end with the 9th. The 16th is a holiday."""
A_NEW_HOLIDAY = "      - {day: 2026-06-03, name: Hari berkabung daerah, kind: libur_nasional}\n"


def amanah(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amanah.main", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


class Deployment:
    """A monitor, its pack on disk and the command."""

    def __init__(self, monitor: ServiceProcess, pack: Path, database: str) -> None:
        self.monitor, self.pack, self.database = monitor, pack, database

    def law(self, verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        where = ("--database", self.database, "--pack", str(self.pack), "--json", *more)
        return amanah("law", verb, *where)

    def answer(self, verb: str) -> dict[str, Any]:
        done = self.law(verb)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.pack / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def free_the_third_of_june(self) -> None:
        self.edit("calendars.yaml", "      - {day: 2026-06-01", A_NEW_HOLIDAY + "      - {day: 2026-06-01")
        self.edit("calendars.yaml", 'version: "2026.1"', 'version: "2026.2"')


@pytest.fixture
def deployment(embedded: Embedded, tmp_path: Path) -> Iterator[Deployment]:
    embedded.topic(f"amanah.agency.{HOLDER}")
    pack = tmp_path / "pack"
    shutil.copytree(project.pack("id"), pack)
    database = embedded.database()
    monitor = ServiceProcess("sla_monitor", kafka=embedded.kafka, database=database, pack=pack, home=tmp_path)
    yield Deployment(monitor, pack, database)
    monitor.stop()


@pytest.fixture
def clock(deployment: Deployment) -> VirtualClock:
    hand = VirtualClock(deployment.monitor, FILED)
    deployment.monitor.start()
    return hand


def moves(answer: dict[str, Any], *complaints: UUID) -> list[dict[str, Any]]:
    """What was said of these; other tests' complaints lie in the same topics."""
    return [move for move in answer["moves"] if UUID(move["complaint"]) in complaints]


def midnight_after(month: int, day: int) -> datetime:
    return datetime(2026, month, day, tzinfo=WITA) + timedelta(days=1)


def recalculated(records: list[Any]) -> list[tuple[str, str, datetime, datetime, int]]:
    return [
        (
            r.body["stage"],
            r.body["reason"],
            r.instant("previous_due_at"),
            r.instant("due_at"),
            r.body["deadline_version"],
        )
        for r in records
        if r.type == "deadline.recalculated.v1"
    ]


async def test_a_new_holiday_moves_each_running_clock_once(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    monitor, running, finished = deployment.monitor, uuid4(), uuid4()
    wire.send(submitted(running, FILED), submitted(finished, FILED))
    wire.send(routed(running, FILED, HOLDER), routed(finished, FILED, HOLDER))
    wire.send(case("replied", finished, FILED + timedelta(hours=1), HOLDER))
    await knows(monitor, running, 2)
    await knows(monitor, finished, 3)

    deployment.free_the_third_of_june()
    would = moves(deployment.answer("diff"), running, finished)
    assert [(move["complaint"], move["stage"]) for move in would] == [(str(running), "first_reply")]
    told = await everything(monitor, deadlines, running)
    assert not recalculated(told), "a dry run says nothing"

    assert moves(deployment.answer("apply"), running, finished) == would
    told = await everything(monitor, deadlines, running)
    assert recalculated(told) == [
        ("first_reply", "calendar", midnight_after(6, 9), midnight_after(6, 10), 2),
    ]
    of_finished = await everything(monitor, deadlines, finished)
    assert recalculated(of_finished) == [], "its answered clock stays as it was"

    # What is finished is explained by the law of its own time, which the pack does not hold any more.
    clocks = json.loads(monitor.get(f"/deadlines/{finished}"))["clocks"]
    [own] = [clock for clock in clocks if clock["stage"] == "first_reply"]
    assert (own["calendar_version"], datetime.fromisoformat(own["due_at"])) == ("2026.1", midnight_after(6, 9))
    assert "2026-06-03" in {day["date"] for day in own["days"] if day["counted"]}

    again = deployment.answer("apply")
    assert again["moved"] == 0
    assert len(recalculated(await everything(monitor, deadlines, running))) == 1, "at most once"

    # The monitor has taken it up by itself: what comes now is counted by it, and so is what is explained.
    later = uuid4()
    wire.send(submitted(later, FILED), routed(later, FILED, HOLDER))
    await knows(monitor, later, 2)
    [started] = [
        r
        for r in await everything(monitor, deadlines, later)
        if (r.body["stage"], r.type) == ("first_reply", "deadline.started.v1")
    ]
    assert (started.body["calendar"], started.instant("due_at")) == ("five-day@2026.2", midnight_after(6, 10))
    clocks = json.loads(monitor.get(f"/deadlines/{running}"))["clocks"]
    [receipt] = [clock for clock in clocks if clock["stage"] == "first_reply"]
    assert datetime.fromisoformat(receipt["due_at"]) == midnight_after(6, 10)

    # And it breaches at the new instant, not at the old one.
    await fall_due(monitor, clock, midnight_after(6, 9))
    assert "breached" not in words(await everything(monitor, deadlines, running), "first_reply")
    await fall_due(monitor, clock, midnight_after(6, 10))
    breaches = [r for r in await everything(monitor, deadlines, running) if r.type == "deadline.breached.v1"]
    assert [(r.body["stage"], r.body["deadline_version"]) for r in breaches if r.body["stage"] == "first_reply"] == [
        ("first_reply", 2)
    ]


async def test_a_receipt_of_an_earlier_law_can_be_counted_again_by_that_law(
    deployment: Deployment, clock: VirtualClock, wire: Wire, tmp_path: Path
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
    await knows(deployment.monitor, complaint, 2)
    saved = tmp_path / "receipt.json"
    saved.write_text(deployment.monitor.get(f"/deadlines/{complaint}"))
    deployment.free_the_third_of_june()
    deployment.answer("apply")
    assert amanah("explain", "--receipt", str(saved), "--pack", str(deployment.pack)).returncode == 1
    earlier = tmp_path / "earlier"
    written = amanah("law", "past", str(earlier), "--calendar", "five-day@2026.1", "--database", deployment.database)
    assert written.returncode == 0, written.stderr
    holds = amanah("explain", "--receipt", str(saved), "--pack", str(earlier))
    assert holds.returncode == 0, holds.stdout
    never = amanah("law", "past", str(tmp_path / "no"), "--rule", "SP4N-2@9", "--database", deployment.database)
    assert (never.returncode, "No law that was in force here" in never.stderr) == (1, True)


async def test_a_breach_stands_whatever_the_law_becomes_and_an_answer_in_time_still_takes_it_back(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    monitor, complaint = deployment.monitor, uuid4()
    wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
    await knows(monitor, complaint, 2)
    await fall_due(monitor, clock, midnight_after(6, 9))
    before = await everything(monitor, deadlines, complaint)
    assert "breached" in words(before, "first_reply")
    deployment.free_the_third_of_june()
    assert "first_reply" not in {move["stage"] for move in moves(deployment.answer("apply"), complaint)}
    wire.send(case("replied", complaint, midnight_after(6, 9) - timedelta(hours=1), HOLDER))
    await knows(monitor, complaint, 3)
    after = await everything(monitor, deadlines, complaint)
    said = words(after[len(before) :], "first_reply")
    assert said == ["breach_withdrawn", "met"], "by the date of its own law"


async def test_a_rule_struck_out_cancels_its_running_clocks_and_nothing_mails_any_more(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    """Wish 16: a rule was deactivated, yet its escalated cases went on mailing."""
    monitor, complaint = deployment.monitor, uuid4()
    wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
    await knows(monitor, complaint, 2)
    text = (deployment.pack / "rules.yaml").read_text()
    begin = text.index("  - id: SP4N-2\n")
    end = text.index("  - id: ", begin + 10)
    (deployment.pack / "rules.yaml").write_text(text[:begin] + text[end:])
    [move] = [m for m in moves(deployment.answer("apply"), complaint) if m["stage"] == "first_reply"]
    assert move["what"] == "cancelled"
    await fall_due(monitor, clock, midnight_after(6, 30))
    assert words(await everything(monitor, deadlines, complaint), "first_reply") == ["started", "cancelled"]


async def test_a_change_without_a_new_version_is_refused(deployment: Deployment, clock: VirtualClock) -> None:
    deployment.edit("calendars.yaml", "      - {day: 2026-06-01", A_NEW_HOLIDAY + "      - {day: 2026-06-01")
    for verb in ("diff", "apply"):
        refused = deployment.law(verb)
        assert refused.returncode == 1
        assert "calendar five-day version 2026.1" in refused.stderr
        assert "a version of its own" in refused.stderr


async def test_a_law_that_lies_there_unapplied_is_said_and_stops_nobody(
    deployment: Deployment, clock: VirtualClock, wire: Wire
) -> None:
    monitor = deployment.monitor
    deployment.free_the_third_of_june()
    monitor.stop()
    monitor.start()
    await eventually(lambda: "amanah_law_not_applied 1.0" in monitor.get("/metrics"), "the gauge")
    complaint = uuid4()
    wire.send(submitted(complaint, FILED))
    await knows(monitor, complaint, 1)
    assert moves(deployment.answer("apply"), complaint) == []
    await eventually(lambda: "amanah_law_not_applied 0.0" in monitor.get("/metrics"), "the gauge")


async def before_another_law(count: int, deployment: Deployment, wire: Wire) -> list[UUID]:
    """Complaints whose clocks a law on disk would move that nobody has applied yet."""
    complaints = [uuid4() for _ in range(count)]
    for complaint in complaints:
        wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
    for complaint in complaints:
        await knows(deployment.monitor, complaint, 2)
    deployment.free_the_third_of_june()
    return complaints


async def test_several_processes_share_the_complaints_and_each_clock_is_moved_once(
    deployment: Deployment,
    clock: VirtualClock,
    wire: Wire,
    deadlines: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor, complaints = deployment.monitor, await before_another_law(7, deployment, wire)
    monkeypatch.setattr(recalculate, "STRETCH", 2)
    place = Place(deployment.database, deployment.pack)
    async with opened(place) as chassis:
        await recalculate.put_in_force(chassis, law(place))
        stretches = [stretch async for stretch in recalculate.stretches(chassis)]
    assert len(stretches) >= 4
    seen: list[Tally] = []
    monkeypatch.setattr(walks, "_answer", lambda pipe, answer=walks._answer: _counted(answer(pipe), seen))
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    would = await walks.walk(place, stretches, 100, for_good=False)
    done = await walks.walk(place, stretches, 100, for_good=True)
    assert (len(seen), would.moved, would.by_place) == (6, done.moved, done.by_place)
    assert {UUID(move["complaint"]) for move in done.moves} >= set(complaints)
    for complaint in complaints:
        assert len(recalculated(await everything(monitor, deadlines, complaint))) == 1
    assert (await walks.walk(place, stretches, 100, for_good=True)).moved == 0
    monkeypatch.setattr("multiprocessing.parent_process", lambda: Mock(is_alive=lambda: False))
    with pytest.raises(Fault, match="Whoever asked for this is gone"):
        await walks.walk(place, stretches[:1], 100, for_good=False)


def _counted(tally: Tally, seen: list[Tally]) -> Tally:
    seen.append(tally)
    assert tally.complaints > 0
    return tally


async def test_a_circle_of_locks_with_a_handler_ends_neither(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    """A handler that has locked a later case comes to an earlier one, which a batch has locked."""
    monitor = deployment.monitor
    earlier, later = sorted((uuid4(), uuid4()))
    for complaint in (earlier, later):
        wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
        await knows(monitor, complaint, 2)
    deployment.free_the_third_of_june()
    lock = "select from casefile where complaint_id = %s for update"
    with psycopg.connect(deployment.database) as handler:
        handler.execute(lock, [later])
        applied = asyncio.create_task(asyncio.to_thread(deployment.law, "apply"))
        waits = "select count(*) from pg_locks where not granted and locktype = 'transactionid'"
        await eventually(lambda: monitor.sql(waits) == [(1,)], "the batch to wait for the handler")
        await asyncio.to_thread(handler.execute, lock, [earlier])  # the batch, which waited first, gives way
    done = await applied
    assert "gave way" in done.stderr
    assert {UUID(move["complaint"]) for move in json.loads(done.stdout)["moves"]} >= {earlier, later}
    for complaint in (earlier, later):
        assert len(recalculated(await everything(monitor, deadlines, complaint))) == 1


async def test_a_batch_that_gives_way_late_begins_anew_with_the_same_complaints(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may also end it when it writes; by then the next batch has the complaints behind."""
    monitor, complaints = deployment.monitor, await before_another_law(5, deployment, wire)
    record, ended = telling.record, list[int]()

    async def ends_twice(*given: Any, **how: Any) -> None:
        await record(*given, **how)
        if len(ended) < 2:
            ended.append(1)
            raise asyncpg.DeadlockDetectedError

    monkeypatch.setattr(telling, "record", ends_twice)
    monkeypatch.setattr(recalculate, "BATCH", 2)
    place = Place(deployment.database, deployment.pack)
    async with opened(place) as chassis:
        looked = [looked async for looked in recalculate.apply(chassis, law(place))]
    told = [complaint for batch in looked for complaint, _ in batch.decisions]
    assert len(ended) == 2
    for complaint in complaints:
        assert told.count(complaint) == 1
        assert len(recalculated(await everything(monitor, deadlines, complaint))) == 1


async def test_a_breach_that_the_ticker_says_while_the_new_law_is_weighed_stands(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks are read without a lock, so the ticker may be at one before its new date is written. The whole batch is then
    read and weighed anew; the others in it are moved, once."""
    monitor, breached, moved = deployment.monitor, uuid4(), uuid4()
    for complaint in (breached, moved):
        wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
        await knows(monitor, complaint, 2)
    deployment.free_the_third_of_june()
    weighed: list[int] = []

    def weigh(*given: Any, **how: Any) -> telling.Difference:
        if not weighed:  # as the ticker leaves them
            monitor.sql(
                "update deadline set state = 'breached', next_fire_at = null where state = 'running' and complaint_id = %s",
                breached,
            )
        weighed.append(1)
        return decide(*given, **how)

    decide = telling.decide
    monkeypatch.setattr(telling, "decide", weigh)
    place = Place(deployment.database, deployment.pack)
    async with opened(place) as chassis:
        looked = [looked async for looked in recalculate.apply(chassis, law(place))]
    assert len(weighed) == 2
    told = [complaint for batch in looked for complaint, _ in batch.decisions]
    assert (told.count(moved), told.count(breached)) == (1, 0)
    assert len(recalculated(await everything(monitor, deadlines, moved))) == 1
    assert recalculated(await everything(monitor, deadlines, breached)) == []
    still = "select distinct calendar from deadline where state = 'breached' and complaint_id = %s"
    assert monitor.sql(still, breached) == [("five-day@2026.1",)]


async def test_a_law_that_another_has_followed_moves_nothing_any_more(
    deployment: Deployment, clock: VirtualClock, wire: Wire, deadlines: Reader
) -> None:
    """Two people apply laws at once: the clocks must not be moved back to the one that came first."""
    monitor, complaint = deployment.monitor, uuid4()
    wire.send(submitted(complaint, FILED), routed(complaint, FILED, HOLDER))
    await knows(monitor, complaint, 2)
    place = Place(deployment.database, deployment.pack)
    first = law(place)
    deployment.free_the_third_of_june()
    deployment.answer("apply")
    async with opened(place) as chassis:
        stretches = [stretch async for stretch in recalculate.stretches(chassis)]
        with pytest.raises(recalculate.Superseded):
            async for _ in recalculate.move(chassis, first, stretches[0]):
                pass
    assert len(recalculated(await everything(monitor, deadlines, complaint))) == 1


def test_a_process_that_dies_over_its_part_is_noticed() -> None:
    pipe, answer = Pipe(duplex=False)
    answer.close()
    with pytest.raises(Fault, match="Begin again"):
        walks._answer(pipe)
