"""No record stops a partition: what cannot be read is dead-lettered whole, and what follows it is applied."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY
from tests.support.ledger_service import Header, Ledger, Writer, body, headers, until
from tests.support.raw_headers import batch_with_raw_header
from tests.support.stack import Embedded

S = UUID("00000000-0000-4000-8000-000000000001")
BIG = b'{"label": "' + b"x" * 2_000_000 + b'"'

CASES: dict[str, tuple[bytes | None, list[Header], str, str]] = {
    "header not UTF-8": (body(S, "x"), headers(S, 1, ce_type=b"\xff\xfe\x80"), "undecodable", "ce_type is not UTF-8"),
    "source not UTF-8": (body(S, "x"), headers(S, 1, ce_source=b"\xff"), "undecodable", "ce_source is not UTF-8"),
    "strange header not UTF-8": (b"{", [*headers(S, 1), ("x-odd", b"\xff\x00\xfe")], "undecodable", "body"),
    "no header": (body(S, "x"), [], "undecodable", "ce_type is missing"),
    "null header": (body(S, "x"), [*headers(S, 1, ce_id=None), ("ce_id", None)], "undecodable", "ce_id is missing"),
    "no sequence": (body(S, "x"), headers(S, 1, ce_sequence=None), "undecodable", "ce_sequence is missing"),
    "endless sequence": (body(S, "x"), headers(S, 1, ce_sequence=b"9" * 5000), "undecodable", "ce_sequence"),
    "broken JSON": (b'{"label": ', headers(S, 1), "undecodable", "json_invalid"),
    "not JSON": (b"\x00\xff\x00", headers(S, 1), "undecodable", "json_invalid"),
    "unknown type": (body(S, "x"), headers(S, 1, ce_type=b"thing.dreamt.v1"), "unknown_type", "thing.dreamt.v1"),
    "unknown version": (body(S, "x"), headers(S, 1, ce_type=b"thing.noted.v9"), "unknown_type", "thing.noted.v9"),
    "NUL in type": (body(S, "x"), headers(S, 1, ce_type=b"thing\x00noted"), "unknown_type", "thing"),
    "NUL in source": (body(S, "x"), headers(S, 1, ce_source=b"a\x00b"), "handler_failed", "Error"),
    "2 MB body": (BIG, headers(S, 1), "undecodable", "json_invalid"),
    "null body": (None, headers(S, 1), "undecodable", "no body"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_record_that_cannot_be_read_is_dead_lettered_whole_and_the_rest_goes_on(
    case: str, ledger: Ledger, writer: Writer
) -> None:
    value, raw_headers, reason, detail = CASES[case]
    before, after = uuid4(), uuid4()
    counted = counter("amanah_dlq_total", topic=ledger.topic, reason=reason)

    writer.good(before, 1, "before")
    writer.put(value, b"\xff key \x00", raw_headers)
    writer.good(after, 1, "after")
    writer.flush()
    async with ledger.consuming():
        await until(lambda: has(ledger, "after"), case)

    assert sorted(await ledger.effects()) == ["after", "before"]
    [letter] = await ledger.letters()
    assert (letter["reason"], letter["offset"]) == (reason, 1)
    assert detail in letter["detail"]
    assert (letter["key"], letter["value"]) == (b"\xff key \x00", value)
    assert list(unpacked(letter)) == raw_headers
    assert counter("amanah_dlq_total", topic=ledger.topic, reason=reason) == counted + 1
    assert not ledger.crashes


async def test_a_header_key_that_is_not_utf8_stops_nothing_and_is_kept(
    embedded: Embedded, ledger: Ledger, writer: Writer
) -> None:
    """C and Go clients may write such a key; aiokafka's own fetcher would fail on it for ever."""
    subject, after = uuid4(), uuid4()
    writer.good(subject, 1, "before")
    writer.flush()
    producer = AIOKafkaProducer(bootstrap_servers=embedded.kafka)
    await producer.start()
    try:
        records = [
            (str(subject).encode(), body(subject, "in the same batch"), headers(subject, 2)),
            (b"odd", b"{}", [("\udcff\udcfe", b"value")]),
            (str(subject).encode(), body(subject, "behind it in the same batch"), headers(subject, 3)),
        ]
        await (await producer.send_batch(batch_with_raw_header(producer, records), ledger.topic, partition=0))
    finally:
        await producer.stop()
    writer.good(after, 1, "after")
    writer.flush()

    async with ledger.consuming():
        await until(lambda: has(ledger, "after"))

    assert await ledger.effects(subject) == ["before", "in the same batch", "behind it in the same batch"]
    [letter] = await ledger.letters()
    assert (letter["offset"], letter["reason"]) == (2, "undecodable")
    [(name, value)] = unpacked(letter)
    assert name.encode("utf-8", "surrogateescape") == b"\xff\xfe"
    assert value == b"value"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_compression_of_a_writers_choice_is_read(codec: str, embedded: Embedded, ledger: Ledger) -> None:
    writer = Writer(embedded.kafka, ledger.topic, **{"compression.type": codec})
    subject = uuid4()
    for seq in range(1, 51):
        writer.good(subject, seq, str(seq))
    writer.flush()
    async with ledger.consuming():
        await until(lambda: has(ledger, "50"))
    assert await ledger.effects() == [str(seq) for seq in range(1, 51)]


async def test_an_event_outside_its_owners_topic_is_no_fact(embedded: Embedded, ledger: Ledger) -> None:
    """Whoever may write to some other topic that is read here must not be able to forge the owner's word."""
    forged = Writer(embedded.kafka, embedded.topic())
    forged.good(S, 1, "forged")
    forged.flush()
    elsewhere = ledger.topic
    ledger.topic = forged.topic
    async with ledger.consuming():
        [letter] = await until(ledger.letters)
    ledger.topic = elsewhere
    assert letter["reason"] == "misplaced"
    assert await ledger.effects() == []


async def has(ledger: Ledger, label: str) -> bool:
    return label in await ledger.effects()


def unpacked(letter: Any) -> Any:
    from amanah_chassis.parked import unpack_headers

    return unpack_headers(letter["headers"])


def counter(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
