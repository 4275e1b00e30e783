"""A 201 means committed and on its way, whatever dies meanwhile; and a request tried again is never filed twice."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.integration.intake.support import Door, is_problem
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, eventually

BARRIER = 20261125
"""Advisory lock that a commit waits for, when the test holds it."""


@pytest.fixture(scope="module")
def slow_commit(intake: ServiceProcess) -> None:
    """Every commit of a filing waits for the barrier, which is where a commit is most easily lost."""
    intake.sql(
        f"""
        create function wait_at_barrier() returns trigger language plpgsql as $$
        begin perform pg_advisory_xact_lock_shared({BARRIER}); return null; end $$;
        create constraint trigger wait_at_barrier after insert on intake_complaint
            deferrable initially deferred for each row execute function wait_at_barrier();
        """
    )


@contextmanager
def held(intake: ServiceProcess, statement: str) -> Iterator[None]:
    """Holds a lock in a transaction of the test's own."""
    with psycopg.connect(intake.database) as db:
        db.execute(statement)  # type: ignore[arg-type]
        yield
        db.rollback()


AT_COMMIT = f"select pg_advisory_xact_lock({BARRIER})"
BEFORE_FILING = "lock table intake_complaint in access exclusive mode"


async def waiting(intake: ServiceProcess) -> int:
    """The backend that waits for the lock, once there is one."""
    query = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return int((await eventually(lambda: intake.sql(query), "a filing that waits"))[0][0])


def count(intake: ServiceProcess, complaint: str | None = None) -> int:
    wanted = "select count(*) from intake_complaint where %s::uuid is null or id = %s::uuid"
    return int(intake.sql(wanted, complaint, complaint)[0][0])


@pytest.mark.usefixtures("slow_commit")
async def test_no_answer_comes_before_the_commit(door: Door, intake: ServiceProcess, complaints: Reader) -> None:
    before = count(intake)
    with held(intake, AT_COMMIT):
        request = asyncio.create_task(door.file())
        await waiting(intake)
        assert not request.done()
        assert count(intake) == before
    answer = await request
    assert answer.status_code == 201
    assert count(intake, answer.json()["complaint_id"]) == 1
    await complaints.wait_for(UUID(answer.json()["complaint_id"]), "complaint.submitted")


@pytest.mark.usefixtures("slow_commit")
@pytest.mark.parametrize("where", [BEFORE_FILING, AT_COMMIT], ids=["before filing", "at commit"])
async def test_a_connection_lost_on_the_way_leaves_nothing_and_can_be_tried_again(
    door: Door, intake: ServiceProcess, complaints: Reader, where: str
) -> None:
    before, key = count(intake), str(uuid4())
    with held(intake, where):
        request = asyncio.create_task(door.file(key))
        intake.sql("select pg_terminate_backend(%s)", await waiting(intake))
        answer = await request
        assert is_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert count(intake) == before
    again = await door.filed(key=key)
    assert count(intake) == before + 1
    assert len(await complaints.wait_for(UUID(again["complaint_id"]), "complaint.submitted")) == 1


@pytest.mark.usefixtures("slow_commit")
async def test_a_second_request_waits_for_the_first_and_gets_its_answer(door: Door, intake: ServiceProcess) -> None:
    before, key = count(intake), str(uuid4())
    with held(intake, AT_COMMIT):
        first, second = asyncio.create_task(door.file(key)), asyncio.create_task(door.file(key))
        blocked = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        await eventually(lambda: intake.sql(blocked) == [(2,)], "both to wait")
    answers = await asyncio.gather(first, second)
    assert {answer.status_code for answer in answers} == {201}
    assert answers[0].content == answers[1].content
    assert count(intake) == before + 1


@pytest.mark.usefixtures("slow_commit")
async def test_a_client_that_left_finds_its_complaint_by_its_key(
    door: Door, intake: ServiceProcess, complaints: Reader
) -> None:
    before, key = count(intake), str(uuid4())
    with held(intake, AT_COMMIT):
        async with Door(intake) as gone:
            request = asyncio.create_task(gone.file(key))
            await waiting(intake)
            request.cancel()
    await eventually(lambda: count(intake) == before + 1, "the commit")
    again = await door.file(key)
    assert again.headers["idempotent-replay"] == "true"
    assert count(intake) == before + 1
    assert len(await complaints.wait_for(UUID(again.json()["complaint_id"]), "complaint.submitted")) == 1


@pytest.mark.usefixtures("slow_commit")
async def test_the_process_killed_at_the_commit_files_once(intake: ServiceProcess, complaints: Reader) -> None:
    before, key = count(intake), str(uuid4())
    async with Door(intake) as door:
        with held(intake, AT_COMMIT):
            request = asyncio.create_task(door.file(key))
            backend = await waiting(intake)
            intake.kill()
            assert isinstance((await asyncio.gather(request, return_exceptions=True))[0], Exception)
        # Postgres finishes, or not, what it was told: the client cannot know, and need not.
        alive = "select count(*) from pg_stat_activity where pid = %s"
        await eventually(lambda: intake.sql(alive, backend) == [(0,)], "the orphaned backend to end")
        intake.start()
        told = await door.filed(key=key)
    assert count(intake) == before + 1
    assert len(await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")) == 1


async def test_kafka_may_die_while_complaints_are_filed(
    embedded: Embedded, door: Door, intake: ServiceProcess, complaints: Reader
) -> None:
    embedded.stack.kill("kafka")
    told = [await door.filed(narrative=f"Filed without Kafka, {number}.") for number in range(5)]
    for each in told:
        records = await complaints.wait_for(UUID(each["complaint_id"]), "complaint.submitted")
        assert {record.sequence for record in records} == {1}, "sent twice, perhaps, but said once"
    await eventually(
        lambda: intake.sql("select count(*) from chassis_outbox where sent_at is null") == [(0,)], "the outbox to drain"
    )


async def test_postgres_that_takes_no_connection_is_said_plainly(
    embedded: Embedded, door: Door, intake: ServiceProcess
) -> None:
    role = psycopg.conninfo.conninfo_to_dict(intake.database)["user"]
    key = str(uuid4())
    try:
        admin(embedded, f"alter role {role} connection limit 0")
        admin(embedded, "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", role)
        assert is_problem(await door.file(key), 503, "unavailable")
        assert is_problem(await door.status("some-secret"), 503, "unavailable")
        assert intake.get("/livez") == "ok"
    finally:
        admin(embedded, f"alter role {role} connection limit -1")
    answers: list[Any] = []

    async def accepted() -> bool:
        answers.append(await door.file(key))
        return bool(answers[-1].status_code == 201)

    while not await accepted():
        assert len(answers) < 200, answers[-1].text
        await asyncio.sleep(0.05)
    assert count(intake, answers[-1].json()["complaint_id"]) == 1


def admin(embedded: Embedded, statement: str, *values: Any) -> None:
    with psycopg.connect(embedded.stack.admin_dsn(), autocommit=True) as db:
        db.execute(statement, values)  # type: ignore[arg-type]


@pytest.mark.usefixtures("slow_commit")
async def test_filings_that_share_a_commit_each_get_their_own_answer(
    door: Door, intake: ServiceProcess, complaints: Reader
) -> None:
    async with asyncio.timeout(30):  # the tests before this one have cut connections, which costs who meets them a 503
        while {answer.status_code for answer in await asyncio.gather(*(door.file() for _ in range(8)))} != {201}:
            await asyncio.sleep(0.1)
    before, twice, used = count(intake), str(uuid4()), str(uuid4())
    await door.filed(key=used)
    with held(intake, AT_COMMIT):
        filings = [asyncio.create_task(door.file())]
        await waiting(intake)
        filings += [asyncio.create_task(door.file(key)) for key in (None, None, twice, twice, None)]
        filings.append(asyncio.create_task(door.file(used, narrative="Another lamp.")))
        filings.append(asyncio.create_task(door.file(occurred_at="2999-01-01T00:00:00Z", trusted=True)))
        await asyncio.sleep(0.3)
        assert not any(filing.done() for filing in filings)
    *sound, reused, of_the_future = await asyncio.gather(*filings)
    assert {answer.status_code for answer in sound} == {201}
    ids = [answer.json()["complaint_id"] for answer in sound]
    assert ids[3] == ids[4]
    assert len(set(ids)) == len(ids) - 1 == count(intake) - before - 1
    assert is_problem(reused, 422, "idempotency_key_reused", "Idempotency-Key")
    assert is_problem(of_the_future, 422, "invalid_request", "occurred_at")
    for complaint in set(ids):
        assert len(await complaints.wait_for(UUID(complaint), "complaint.submitted")) == 1
