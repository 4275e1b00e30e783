"""A record whose handler fails is found by bisection and set aside alone; mended, it is replayed and all is in order."""

from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from tests.support.ledger_service import Ledger, Writer, at_work, record, until

from amanah_chassis import dead_letter
from amanah_chassis.errors import OutOfTurn, ReplayFailed

SUBJECTS = 100
EACH = 5


async def test_one_poisonous_record_among_500_is_found_and_everything_else_is_applied_once(
    ledger: Ledger, writer: Writer
) -> None:
    subjects = [uuid4() for _ in range(SUBJECTS)]
    sick = subjects[37]
    ledger.book.poison = {f"{sick}-2"}
    for seq in range(1, EACH + 1):
        for subject in subjects:
            writer.good(subject, seq, f"{subject}-{seq}")
    writer.flush()

    async with ledger.consuming(batch_size=500):
        await until(lambda: all_in(ledger, SUBJECTS * EACH - 4))
        [letter] = await until(ledger.letters)
        # Later facts of the sick subject wait behind the one that failed, and only they.
        waiting = await ledger.rows("select seq, waiting_for from chassis_parked where subject = $1 order by seq", sick)
        assert [tuple(row) for row in waiting] == [(3, "gap"), (4, "gap"), (5, "gap")]

        healthy = [label for label in await ledger.effects() if not label.startswith(str(sick))]
        assert len(healthy) == len(set(healthy)) == (SUBJECTS - 1) * EACH
        assert await ledger.effects(sick) == [f"{sick}-1"]
        assert letter["reason"] == "handler_failed"
        assert letter["detail"].startswith("ValueError at on_thing_noted:")
        assert str(sick) not in letter["detail"]  # an error's text may quote what is private

        ledger.book.poison.clear()
        done = await ledger.consumer.replay(letter)

    assert [item.event.label for item in done.applied] == [f"{sick}-2"]
    assert await ledger.effects(sick) == [f"{sick}-{seq}" for seq in range(1, EACH + 1)]
    assert await ledger.letters() == []
    assert await ledger.rows("select from chassis_parked") == []


async def test_a_letter_that_fails_again_stays_with_its_new_reason(ledger: Ledger) -> None:
    subject = uuid4()
    ledger.book.poison = {"bad"}
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "bad")])
    [letter] = await ledger.letters()
    ledger.consumer._registry._by_type.clear()  # a release that does not know the type any more
    with pytest.raises(ReplayFailed, match="unknown_type"):
        await ledger.consumer.replay(letter)
    [still] = await ledger.letters()
    assert (still["id"], still["reason"], still["replayed_at"]) == (letter["id"], "unknown_type", None)


async def test_a_letter_is_replayed_once_even_by_two_at_the_same_time(ledger: Ledger) -> None:
    subject = uuid4()
    ledger.book.poison = {"bad"}
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "bad")])
    [letter] = await ledger.letters()
    ledger.book.poison.clear()
    first = await ledger.consumer.replay(letter)
    second = await ledger.consumer.replay(letter)
    assert (len(first.applied), len(second.applied), len(second.duplicates)) == (1, 0, 0)
    assert await ledger.effects() == ["bad"]


async def test_the_same_poison_delivered_again_is_one_letter(ledger: Ledger) -> None:
    subject = uuid4()
    ledger.book.poison = {"bad"}
    bad = record(ledger.topic, subject, 1, "bad")
    counted = dead(ledger)
    await ledger.consumer.apply([bad])
    await ledger.consumer.apply([bad])
    assert len(await ledger.letters()) == 1
    assert dead(ledger) == counted + 1


async def test_a_parked_record_that_fails_when_its_turn_comes_is_dead_lettered(ledger: Ledger) -> None:
    subject = uuid4()
    ledger.book.poison = {"second"}
    await ledger.consumer.apply(
        [record(ledger.topic, subject, 2, "second", 2), record(ledger.topic, subject, 3, "third", 3)]
    )
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "first", 1)])
    assert await ledger.effects() == ["first"]
    [letter] = await ledger.letters()
    assert letter["offset"] == 2
    ledger.book.poison.clear()
    await ledger.consumer.replay(letter)
    assert await ledger.effects() == ["first", "second", "third"]


async def test_what_was_set_aside_is_applied_together_and_one_that_fails_stands_alone(ledger: Ledger) -> None:
    subjects = [uuid4() for _ in range(20)]
    later = [record(ledger.topic, subject, 2, f"later {n}", n) for n, subject in enumerate(subjects)]
    await ledger.consumer.apply(later)
    await ledger.consumer.apply([record(ledger.topic, s, 1, f"first {n}", 100 + n) for n, s in enumerate(subjects)])
    assert ledger.book.batches == [20, 20], "one transaction for those that came, one for those that had waited"
    assert len(await ledger.effects()) == 40

    ledger.book.poison = {"later 7"}
    others = [uuid4() for _ in range(20)]
    later = [record(ledger.topic, subject, 2, f"later {n}", 200 + n) for n, subject in enumerate(others)]
    await ledger.consumer.apply(later)
    await ledger.consumer.apply([record(ledger.topic, s, 1, f"first {n}", 300 + n) for n, s in enumerate(others)])
    assert len(await ledger.effects()) == 40 + 39
    [letter] = await ledger.letters()
    assert letter["offset"] == 207
    assert await ledger.rows("select from chassis_parked") == []


async def test_one_that_another_process_took_keeps_nobody_else_waiting(ledger: Ledger) -> None:
    subjects = [uuid4() for _ in range(4)]
    await ledger.consumer.apply([record(ledger.topic, s, 2, f"later {n}", n) for n, s in enumerate(subjects)])
    rows = await ledger.rows("select * from chassis_parked order by id")
    async with at_work(ledger.kafka, ledger.dsn, ledger.topic) as other:
        await other.consumer.apply([record(ledger.topic, subjects[2], 1, "first", 10)])
    rest = [record(ledger.topic, s, 1, "first", 20 + n) for n, s in enumerate(subjects) if n != 2]
    ledger.consumer._applying.parked_possible = False  # nobody looks yet
    await ledger.consumer.apply(rest)
    assert await ledger.consumer._apply_parked(rows) == {subjects[n] for n in (0, 1, 3)}
    for n, subject in enumerate(subjects):
        assert await ledger.effects(subject) == ["first", f"later {n}"]


async def test_replaying_letters_of_one_subject_in_the_wrong_order_still_ends_in_order(ledger: Ledger) -> None:
    subject = uuid4()
    known = dict(ledger.registry._by_type)
    ledger.registry._by_type.clear()
    await ledger.consumer.apply([record(ledger.topic, subject, seq, str(seq), seq) for seq in (1, 2, 3)])
    ledger.registry._by_type.update(known)
    letters = await ledger.letters()
    assert [letter["reason"] for letter in letters] == ["unknown_type"] * 3
    for letter in reversed(letters):
        await ledger.consumer.replay(letter)
    assert await ledger.effects() == ["1", "2", "3"]
    assert await ledger.letters() == []


async def all_in(ledger: Ledger, count: int) -> bool:
    return len(await ledger.effects()) >= count


def dead(ledger: Ledger) -> float:
    labels = {"topic": ledger.topic, "reason": "handler_failed"}
    return REGISTRY.get_sample_value("amanah_dlq_total", labels) or 0.0


async def given_up(ledger: Ledger, letter: asyncpg.Record, *owned: str) -> bool:
    async with ledger.chassis.pool.acquire() as db, db.transaction():
        return await dead_letter.give_up(db, letter, "it is no JSON", owned or [ledger.topic])


async def test_a_letter_given_up_is_kept_and_what_waited_behind_it_goes_on(ledger: Ledger) -> None:
    subject = uuid4()
    broken = record(ledger.topic, subject, 2, "", offset=2)._replace(value=b"{")
    records = [record(ledger.topic, subject, seq, str(seq), offset=seq) for seq in (1, 3, 4)]
    await ledger.consumer.apply([records[0], broken, *records[1:]])
    assert await ledger.effects(subject) == ["1"]
    [letter] = await ledger.letters()
    assert await given_up(ledger, letter)
    await ledger.consumer.sweep()  # as the running service does each second
    assert await ledger.effects(subject) == ["1", "3", "4"]
    assert await ledger.rows("select from chassis_parked") == []
    await ledger.consumer.apply([broken, *records])  # Kafka may deliver anew what was read before
    assert await ledger.letters() == []
    assert await ledger.effects(subject) == ["1", "3", "4"]
    [kept] = await ledger.rows("select given_up, replayed_at is not null, value from chassis_dead_letter")
    assert tuple(kept) == ("it is no JSON", True, b"{")


async def test_letters_of_one_stream_are_given_up_in_its_order(ledger: Ledger) -> None:
    subject = uuid4()
    broken = [record(ledger.topic, subject, n, "", offset=n)._replace(value=None) for n in (1, 2)]
    await ledger.consumer.apply([*broken, record(ledger.topic, subject, 3, "3", offset=3)])
    first, second = await ledger.letters()
    with pytest.raises(OutOfTurn, match="number 1 is still missing"):
        await given_up(ledger, second)
    assert [letter["id"] for letter in await ledger.letters()] == [first["id"], second["id"]]
    assert await given_up(ledger, first)
    assert await given_up(ledger, second)
    await ledger.consumer.sweep()
    assert await ledger.effects(subject) == ["3"]


async def test_what_an_outsider_wrote_moves_no_stream(ledger: Ledger) -> None:
    """Whoever may write to a topic of outsiders may write any headers there."""
    subject = uuid4()
    forged = record("outside", subject, 1, "forged")
    await ledger.consumer.apply([forged])
    [letter] = await ledger.letters()
    assert letter["reason"] == "misplaced"
    assert not await given_up(ledger, letter)
    assert await ledger.rows("select from chassis_position where subject = $1", subject) == []
    await ledger.consumer.apply([record(ledger.topic, subject, 1, "true", offset=9)])
    assert await ledger.effects(subject) == ["true"]
