"""What Kafka lost is sent once more from the outbox: the same ids, numbers and order; what cannot come is told."""

import asyncio
from contextlib import suppress
from time import sleep
from uuid import uuid4

import asyncpg
import pytest
from tests.support.ledger_outbox import all_sent, emit, relaying, sent
from tests.support.ledger_service import DAY, Ledger, read_all, record, until
from tests.support.stack import Embedded

from amanah.embedded import topics
from amanah.embedded.topics import admin
from amanah.fault import Fault
from amanah.progress import Silent
from amanah.recovery import published, rebuild
from amanah.recovery.places import Place
from amanah_chassis import dead_letter, resend


def told(ledger: Ledger) -> list[tuple[bytes, dict[str, bytes], bytes]]:
    return [(m.key(), dict(m.headers()), m.value()) for m in read_all(ledger.kafka, ledger.topic)]


def place(ledger: Ledger, dsn: str) -> Place:
    return Place(ledger.kafka, {"tests": dsn})


@pytest.fixture
def owner(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service of the tests is in no topic file."""
    monkeypatch.setattr(rebuild, "own_topic", lambda _: ledger.topic)


def wipe(embedded: Embedded, topic: str) -> None:
    """As after a loss: the topic is there, and empty."""
    client = admin(embedded.kafka)
    client.delete_topics([topic], operation_timeout=30)[topic].result()
    while topic in client.list_topics(timeout=10).topics:
        sleep(0.05)
    embedded.topic(topic)
    for _ in range(200):  # the broker's answer comes before the partition has a leader
        with suppress(Fault):
            if topics.present(embedded.kafka).get(topic) == (1, 0):
                return
        sleep(0.05)


@pytest.mark.usefixtures("owner")
async def test_an_emptied_topic_gets_everything_again_as_it_was(
    embedded: Embedded, ledger: Ledger, database: str
) -> None:
    subjects = [uuid4() for _ in range(30)]
    for n in range(5):
        for subject in subjects:
            await emit(ledger, subject, f"{n}")
    await sent(ledger)
    before = told(ledger)
    await asyncio.to_thread(wipe, embedded, ledger.topic)
    assert told(ledger) == []
    rebuilt = await rebuild.rebuild(place(ledger, database), False, Silent())
    assert told(ledger) == before
    assert (rebuilt.sent, rebuilt.records) == ({"tests": 150}, {ledger.topic: 150})
    assert (rebuilt.differing, rebuilt.pruned) == ([], [])


@pytest.mark.usefixtures("owner")
async def test_what_is_there_already_is_sent_again_only_when_told_and_only_what_lacks(
    ledger: Ledger, database: str
) -> None:
    subject = uuid4()
    await emit(ledger, subject, "a", "b")
    await sent(ledger)
    with pytest.raises(Fault, match=r"1 of 1 topics hold something already, .* --add"):
        await rebuild.rebuild(place(ledger, database), False, Silent())
    assert await all_sent(ledger)
    lost = uuid4()
    await emit(ledger, lost, "c")
    await ledger.rows("update chassis_outbox set sent_at = now() where subject = $1", lost)  # and Kafka never got it
    rebuilt = await rebuild.rebuild(place(ledger, database), True, Silent())
    assert (rebuilt.sent, rebuilt.differing) == ({"tests": 1}, [])
    assert [key for key, _, _ in told(ledger)] == [str(s).encode() for s in (subject, subject, lost)]
    again = await rebuild.rebuild(place(ledger, database), True, Silent())
    assert again.sent == {"tests": 0}


@pytest.mark.usefixtures("owner")
async def test_a_service_that_is_at_work_is_left_alone(ledger: Ledger, database: str) -> None:
    await emit(ledger, uuid4(), "a")
    async with relaying(ledger.chassis):
        await until(lambda: ledger.chassis.relay.leading)
        with pytest.raises(Fault, match="tests is at work"):
            await rebuild.rebuild(place(ledger, database), False, Silent())


@pytest.mark.usefixtures("owner")
async def test_a_topic_that_is_missing_is_named_and_nothing_is_marked(
    embedded: Embedded, ledger: Ledger, database: str
) -> None:
    await emit(ledger, uuid4(), "a")
    await sent(ledger)
    client = admin(embedded.kafka)
    await asyncio.to_thread(client.delete_topics([ledger.topic], operation_timeout=30)[ledger.topic].result)
    with pytest.raises(Fault, match=f"no topic {ledger.topic}"):
        await rebuild.rebuild(place(ledger, database), False, Silent())
    assert await all_sent(ledger)


@pytest.mark.usefixtures("owner")
async def test_what_retention_took_is_told_and_does_not_come_back(
    embedded: Embedded, ledger: Ledger, database: str
) -> None:
    old, young = uuid4(), uuid4()
    await emit(ledger, old, "a", "b", "c")
    await emit(ledger, young, "d")
    await sent(ledger)
    await ledger.rows("delete from chassis_outbox where subject = $1 and seq < 3", old)
    await asyncio.to_thread(wipe, embedded, ledger.topic)
    rebuilt = await rebuild.rebuild(place(ledger, database), False, Silent())
    assert rebuilt.pruned == [(ledger.topic, 2, 1)]
    assert [h["ce_sequence"] for _, h, _ in told(ledger)] == [b"3", b"1"]


async def test_a_record_that_is_not_as_the_outbox_has_it_is_seen(ledger: Ledger, database: str) -> None:
    await emit(ledger, uuid4(), "a", "b", "c")
    await sent(ledger)
    [first, second, _] = await ledger.rows("select id from chassis_outbox order by id")
    await ledger.rows("update chassis_outbox set value = value || ' ' where id = $1", first[0])
    await ledger.rows("update chassis_outbox set event_id = gen_random_uuid() where id = $1", second[0])
    db = await asyncpg.connect(database)
    await published.note({"tests": db}, ledger.kafka, [ledger.topic], whole=False)
    assert await resend.differing(db) == [(ledger.topic, 1, 1)]
    await db.close()


async def test_what_was_set_aside_keeps_its_order_and_makes_room_for_new_places(ledger: Ledger, database: str) -> None:
    """A topic made anew gives out the places of old again: neither a parked record nor a dead letter may be taken for
    what lies there now."""
    subject = uuid4()
    early, later = record(ledger.topic, subject, 3, "c", 7), record(ledger.topic, subject, 2, "b", 9)
    await ledger.consumer.apply([early, later])
    db = await asyncpg.connect(database)
    await dead_letter.bury(db, record(ledger.topic, uuid4(), 1, "dead", 7), "reason", "", DAY)
    for _ in range(2):
        await resend.set_places_aside(db)
    rows = await db.fetch('select seq, "offset" from chassis_parked order by "offset"')
    assert [row[0] for row in rows] == [3, 2]
    assert all(row[1] < 0 for row in rows)
    await dead_letter.bury(db, record(ledger.topic, uuid4(), 1, "dead", 7), "another", "", DAY)
    assert await db.fetchval("select count(*) from chassis_dead_letter") == 2
    await db.close()
    other = uuid4()
    await ledger.consumer.apply([record(ledger.topic, other, 2, "y", 7)])  # parked at the place of another one
    await ledger.consumer.apply([record(ledger.topic, other, 1, "x", 8), record(ledger.topic, subject, 1, "a", 9)])
    assert await ledger.effects(other) == ["x", "y"]
    assert await ledger.effects(subject) == ["a", "b", "c"]
