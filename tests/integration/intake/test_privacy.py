"""Who files stays in the vault: not in Kafka, not in logs, traces or metrics, not in the clear in the database."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.integration.intake.support import COMPLAINT, Door, is_problem, make_intake
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, eventually

IDENTITY = {
    "name": "Penduduk Contoh-Qx7",
    "nik": "6303051511900017",
    "phone": "+62 812-7777-0017",
    "email": "penduduk.qx7@example.org",
    "address": "Gang Rahasia-Qx7 no. 17",
}
NARRATIVE = f"Saya {IDENTITY['nik']}, tulis ke {IDENTITY['email']} atau {IDENTITY['phone']}, rekening 7123456789017."
SECRETS = [*IDENTITY.values(), "7123456789017", "081277770017", "81277770017", "Qx7", "qx7"]


@pytest.fixture(scope="module")
def intake(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("intake")
    service = make_intake(embedded, home, AMANAH_TRACES_FILE=str(home / "traces.jsonl"), AMANAH_LOG_LEVEL="DEBUG")
    try:
        service.start()
        yield service
    finally:
        service.stop()


async def test_however_many_contacts_are_asked_for_filings_go_on(door: Door, intake: ServiceProcess) -> None:
    """The notifier asks for one with each mail. More readings than there are connections stand still here."""
    told = await door.filed(identity=IDENTITY)
    with psycopg.connect(intake.database) as db:
        db.execute("lock table intake_identity_read in exclusive mode")
        asked = [asyncio.create_task(door.contact(told["complaint_id"])) for _ in range(8)]
        await eventually(lambda: len(waiting(intake.database)) == 2, "two readings that wait")
        async with asyncio.timeout(5):
            assert (await door.file()).status_code == 201
        assert len(waiting(intake.database)) == 2
    assert {answer.json()["email"] for answer in await asyncio.gather(*asked)} == {IDENTITY["email"]}


def waiting(dsn: str) -> list[tuple[int]]:
    """The backends that stand before the lock."""
    with psycopg.connect(dsn) as db:
        return db.execute(
            "select pid from pg_locks join pg_class c on c.oid = relation"
            " where not granted and c.relname = 'intake_identity_read'"
        ).fetchall()


async def test_identity_is_nowhere_in_the_clear(
    embedded: Embedded, door: Door, intake: ServiceProcess, complaints: Reader
) -> None:
    key, secret_key = str(uuid4()), f"key-of-Qx7-{uuid4()}"
    told = await door.filed(key=secret_key, identity=IDENTITY, narrative=NARRATIVE)
    await refuse_in_every_way(door, intake, key)
    assert (await door.contact(told["complaint_id"])).json()["email"] == IDENTITY["email"]
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    assert record.body["narrative"] == "Saya [NIK], tulis ke [e-mail] atau [phone], rekening [account]."
    assert record.body["contactable"] is True

    traces = intake.log.parent / "traces.jsonl"
    await eventually(lambda: traces.exists() and b"publish complaint.submitted" in traces.read_bytes(), "the trace")
    places = {
        "Kafka": kafka_bytes(embedded.kafka),
        "log": intake.log.read_bytes(),
        "traces": traces.read_bytes(),
        "metrics": intake.get("/metrics").encode(),
        "database": database_bytes(intake.database),
    }
    for place, content in places.items():
        assert content, place
        for secret in [*SECRETS, told["tracking_secret"]]:
            assert secret.encode() not in content, f"{secret} in {place}"
    assert told["complaint_id"].encode() in places["Kafka"], "the search must be able to find something"
    assert told["complaint_id"].encode() in places["database"]


async def refuse_in_every_way(door: Door, intake: ServiceProcess, key: str) -> None:
    """Filings that fail at each stage, with the same secrets in them."""
    assert (await door.file(identity=IDENTITY | {"nik": IDENTITY["nik"] + "x"})).status_code == 422
    assert (await door.file(category=f"call {IDENTITY['phone']}")).status_code == 422
    assert (await door.file(channel="import", narrative=NARRATIVE)).status_code == 403
    assert (await door.file(**{IDENTITY["name"]: 1})).status_code == 422
    assert (await door.send(json.dumps(COMPLAINT | {"identity": IDENTITY}).encode()[:-1])).status_code == 422
    assert (await door.send(NARRATIVE.encode() * 5000)).status_code == 413
    assert (await door.status(IDENTITY["email"])).status_code == 404
    assert (await door.http.get(f"/complaints/status?{IDENTITY['email']}")).status_code == 401
    assert (await door.http.get(f"/{IDENTITY['email']}")).status_code == 404
    assert (await door.contact(IDENTITY["nik"])).status_code == 422
    # An error inside Postgres whose text would quote the row, first as one we expect and then as one we do not.
    for fault in ("lock_not_available", "check_violation"):
        intake.sql(
            f"""
            create or replace function fail() returns trigger language plpgsql as $$
            begin raise exception 'row {IDENTITY["name"]} %%', new using errcode = '{fault}',
                detail = '{IDENTITY["email"]}'; end $$;
            create or replace trigger fail before insert on intake_complaint for each row execute function fail()
            """
        )
        answer = await door.file(key, identity=IDENTITY, narrative=NARRATIVE)
        assert is_problem(answer, *{"lock_not_available": (503, "unavailable")}.get(fault, (500, "internal_error")))
        assert not any(secret in answer.text for secret in SECRETS)
    intake.sql("drop trigger fail on intake_complaint; drop function fail")


def kafka_bytes(bootstrap: str) -> bytes:
    """Every byte of every record of every topic of ours."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"tests-{uuid4()}", "enable.partition.eof": True})
    try:
        topics = consumer.list_topics(timeout=10).topics
        partitions = [
            TopicPartition(name, number, 0)
            for name, topic in topics.items()
            if name.startswith("amanah.")
            for number in topic.partitions
        ]
        consumer.assign(partitions)
        found: list[bytes] = []
        left = len(partitions)
        while left:
            for message in consumer.consume(500, timeout=0.5):
                if message.error() is not None:
                    left -= 1
                    continue
                headers = [
                    part for header in message.headers() or [] for part in (header[0].encode(), header[1] or b"")
                ]
                found += [message.key() or b"", message.value() or b"", *headers]
        return b"\n".join(found)
    finally:
        consumer.close()


def database_bytes(dsn: str) -> bytes:
    """Every row of every table, as text, with binary columns also as the bytes that they hold."""
    found: list[bytes] = []
    with psycopg.connect(dsn) as db:
        for (table,) in db.execute("select tablename from pg_tables where schemaname = 'public'").fetchall():
            for row in db.execute(f"select * from {table}").fetchall():  # type: ignore[arg-type]
                found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(found)


async def test_what_a_field_may_not_hold_is_not_echoed(door: Door) -> None:
    answer = await door.file(identity=IDENTITY | {"email": "rahasia", "nik": IDENTITY["nik"] + "x"}, region="/Qx7/")
    assert is_problem(answer, 422, "invalid_request", "identity.email", "identity.nik", "region")
    assert not any(secret in answer.text for secret in [*SECRETS, "rahasia"])


# --- whistle-blowers ------------------------------------------------------------------------------------------------


async def test_a_whistle_blowers_words_stay_here(door: Door, intake: ServiceProcess, complaints: Reader) -> None:
    told = await door.filed(
        visibility="whistle_blower",
        narrative="The chief of the Zx9 office takes money.",
        headers={"User-Agent": "agent-Zx9", "X-Forwarded-For": "203.0.113.9"},
    )
    [record] = await complaints.wait_for(UUID(told["complaint_id"]), "complaint.submitted")
    assert "narrative" not in record.body
    assert (record.body["visibility"], record.body["contactable"]) == ("whistle_blower", False)
    content = intake.log.read_bytes() + database_bytes(intake.database) + record.raw.encode()
    for trace in (b"Zx9", b"203.0.113.9"):
        assert trace not in content
    assert (await door.status(told["tracking_secret"])).status_code == 200
    assert is_problem(await door.contact(told["complaint_id"]), 404, "not_found")


async def test_a_whistle_blower_is_asked_to_leave_the_identity_out(door: Door) -> None:
    answer = await door.file(visibility="whistle_blower", identity={"email": IDENTITY["email"]})
    assert is_problem(answer, 422, "invalid_request", "identity")


# --- reading and erasing --------------------------------------------------------------------------------------------


async def test_every_reading_of_a_contact_is_recorded(door: Door, intake: ServiceProcess) -> None:
    named = await door.filed(identity={"email": "warga@example.org"}, language="en")
    nameless = await door.filed()
    answer = await door.contact(
        named["complaint_id"], **{"Amanah-Caller": "notifier", "Amanah-Purpose": "deadline.breached"}
    )
    assert answer.json() == {"email": "warga@example.org", "language": "en"}
    assert answer.headers["cache-control"] == "no-store"
    assert is_problem(await door.contact(nameless["complaint_id"]), 404, "not_found")
    assert is_problem(await door.contact(uuid4()), 404, "not_found")
    reads = "select reader, purpose, given from intake_identity_read where complaint_id = %s"
    assert intake.sql(reads, named["complaint_id"]) == [("notifier", "deadline.breached", True)]
    assert intake.sql(reads, nameless["complaint_id"]) == [("service", "notice", False)]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}])
async def test_the_inner_door_is_shut_without_the_service_token(
    door: Door, intake: ServiceProcess, headers: dict[str, str]
) -> None:
    told = await door.filed(identity={"email": "warga@example.org"})
    path = f"/internal/complaints/{told['complaint_id']}"
    assert is_problem(await door.http.get(f"{path}/contact", headers=headers), 401, "unauthorized")
    secret = {"Authorization": f"Bearer {told['tracking_secret']}"}
    assert is_problem(await door.http.get(f"{path}/contact", headers=secret), 401, "unauthorized")
    assert is_problem(await door.http.post(f"{path}/erase", headers=headers), 401, "unauthorized")
    assert intake.sql("select erased_at from intake_complaint where id = %s", told["complaint_id"]) == [(None,)]
    assert intake.sql("select 1 from intake_identity_read where complaint_id = %s", told["complaint_id"]) == []


@pytest.mark.parametrize(
    "headers", [{"Amanah-Caller": "Mallory"}, {"Amanah-Purpose": ""}, {"Amanah-Purpose": "p" * 121}], ids=str
)
async def test_a_reader_says_who_and_why(door: Door, headers: dict[str, str]) -> None:
    told = await door.filed(identity={"email": "warga@example.org"})
    field = next(iter(headers)).lower()
    assert is_problem(await door.contact(told["complaint_id"], **headers), 422, "invalid_request", field)


async def test_erasure_leaves_a_complaint_that_can_be_followed_and_names_nobody(
    door: Door, intake: ServiceProcess
) -> None:
    key = str(uuid4())
    told = await door.filed(key=key, identity=IDENTITY)
    complaint = told["complaint_id"]
    assert (await door.erase(complaint)).status_code == 204
    assert is_problem(await door.contact(complaint), 404, "not_found")
    assert is_problem(await door.file(key, identity=IDENTITY), 410, "complaint_erased")
    status = await door.status(told["tracking_secret"])
    assert (status.status_code, status.json()["status"]) == (200, "submitted")
    assert intake.sql("select 1 from intake_data_key where complaint_id = %s", complaint) == []

    [(first,)] = intake.sql("select erased_at from intake_complaint where id = %s", complaint)
    assert (await door.erase(complaint)).status_code == 204
    assert intake.sql("select erased_at from intake_complaint where id = %s", complaint) == [(first,)]
    assert is_problem(await door.erase(uuid4()), 404, "not_found")


async def test_a_restart_after_erasing_still_knows_its_key(embedded: Embedded, tmp_path: Path) -> None:
    service = make_intake(embedded, tmp_path, instance="1")
    service.start()
    try:
        async with Door(service) as door:
            told = await door.filed(identity=IDENTITY)
            await door.erase(told["complaint_id"])
        service.stop()
        service.start()
        async with Door(service) as door:
            assert (await door.status(told["tracking_secret"])).status_code == 200
    finally:
        service.stop()
