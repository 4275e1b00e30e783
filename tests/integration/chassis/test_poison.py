"""A record whose handler fails is found by bisection and set aside alone; mended, it is replayed and all is in order."""

from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from tests.support.ledger_service import Ledger, Writer, record, until

from amanah_chassis.errors import ReplayFailed

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
