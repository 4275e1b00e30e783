"""From bytes to a message, or to a refusal that names the fault and never quotes the value."""

from contextlib import suppress
from types import SimpleNamespace
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ledger_service import DAY, Header, noted_on, record

from amanah_chassis.decode import delivered, message_type, origin
from amanah_chassis.errors import Misplaced, Refused, Undecodable, UnknownType
from amanah_contracts.envelope import Command, Registry

TOPIC = "test.things"
Noted = noted_on(TOPIC)


class Note(Command):
    stem: ClassVar[str] = "thing.note"
    label: str


REGISTRY = Registry(Noted, Note)
S = uuid4()


def read(found):
    return delivered(found, message_type(found, REGISTRY))


def test_a_good_record() -> None:
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    item = read(record(TOPIC, S, 3, "word", traceparent=trace))
    assert (item.event.label, item.event.subject, item.seq, item.source) == ("word", S, 3, "amanah.tests")
    assert (item.topic, item.appended_at, item.traceparent) == (TOPIC, DAY, trace.decode())


BAD: dict[str, tuple[dict[str, bytes | None], type[Refused], str]] = {
    "no type": ({"ce_type": None}, Undecodable, "header ce_type is missing"),
    "type not UTF-8": ({"ce_type": b"\xff"}, Undecodable, "header ce_type is not UTF-8"),
    "unknown type": ({"ce_type": b"thing.dreamt.v1"}, UnknownType, "thing.dreamt.v1"),
    "unknown version": ({"ce_type": b"thing.noted.v2"}, UnknownType, "thing.noted.v2"),
    "endless type": ({"ce_type": b"x" * 10_000}, UnknownType, "xxx"),
    "no id": ({"ce_id": None}, Undecodable, "header ce_id is missing"),
    "id not a UUID": ({"ce_id": b"seven"}, Undecodable, "header ce_id is not a UUID"),
    "no source": ({"ce_source": None}, Undecodable, "header ce_source is missing"),
    "source not UTF-8": ({"ce_source": b"\xc3"}, Undecodable, "header ce_source is not UTF-8"),
    "no sequence": ({"ce_sequence": None}, Undecodable, "header ce_sequence is missing"),
    **{
        f"sequence {text[:12]!r}": (
            {"ce_sequence": text},
            Undecodable,
            "header ce_sequence is not a whole number from 1",
        )
        for text in (b"0", b"-1", b"1.0", b"", b" 1", b"one", "１".encode(), b"9" * 19, b"9" * 5000)
    },
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_header(case: str) -> None:
    changed, kind, says = BAD[case]
    with pytest.raises(kind) as refused:
        read(record(TOPIC, S, 1, "word", **changed))
    assert says in str(refused.value)
    assert len(str(refused.value)) < 300


BODIES: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "the record has no body"),
    "empty": (b"", "json_invalid"),
    "broken": (b'{"label": ', "json_invalid"),
    "not UTF-8": (b'{"label": "\xff"}', "json_invalid"),
    "a list": (b"[]", "model_type"),
    "nothing in it": (b"{}", "complaint_id: missing"),
    "naive time": (
        f'{{"complaint_id": "{S}", "occurred_at": "2026-01-01T00:00:00", "received_at": "2026-01-01T00:00:00Z"}}'.encode(),
        "occurred_at: timezone_aware",
    ),
    "deep": (b"[" * 100_000, "json_invalid"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body(case: str) -> None:
    value, says = BODIES[case]
    with pytest.raises(Undecodable, match=says):
        read(record(TOPIC, S, 1, "word")._replace(value=value))


def test_a_refusal_does_not_quote_the_value() -> None:
    secret = b'{"complaint_id": "secret-3175012345678901", "occurred_at": "secret"}'
    with pytest.raises(Undecodable) as refused:
        read(record(TOPIC, S, 1, "word")._replace(value=secret))
    assert "secret" not in str(refused.value)


def test_an_event_on_a_topic_that_is_not_its_owners_is_misplaced() -> None:
    with pytest.raises(Misplaced, match=TOPIC):
        read(record("test.elsewhere", S, 1, "word"))


@pytest.mark.parametrize(
    "bad", [b"", b"00-short-01", b"\x00" * 55, b"00-" + b"g" * 32 + b"-b7ad6b7169203331-01", b"\xff", b"a" * 10_000]
)
def test_a_traceparent_that_is_none_is_dropped(bad: bytes) -> None:
    assert read(record(TOPIC, S, 1, "word", traceparent=bad)).traceparent is None


def test_an_order_needs_no_envelope_but_its_type() -> None:
    order = record("test.orders", S, 1, "word", ce_type=b"thing.note.v1", ce_source=None, ce_sequence=None, ce_id=None)
    item, again, elsewhere = read(order), read(order), read(order._replace(offset=9))
    assert (item.seq, item.source, item.event.label) == (0, "test.orders", "word")
    assert item.id == again.id != elsewhere.id


@pytest.mark.parametrize("ce_id", [b"order 7", b"\xff\xfe", b"", None])
def test_the_id_of_an_order_may_be_anything_and_stays_the_same(ce_id: bytes | None) -> None:
    order = record("test.orders", S, 1, "word", ce_type=b"thing.note.v1")
    order = order._replace(headers=(("ce_type", b"thing.note.v1"), ("ce_id", ce_id)))
    assert isinstance(read(order).id, UUID)
    assert read(order).id == read(order).id


@pytest.mark.parametrize("timestamp", [-1, 0, 1_767_603_600_000, 2**62, -(2**62)])
def test_any_timestamp_of_a_record_is_survived(timestamp: int) -> None:
    raw = SimpleNamespace(topic="t", partition=0, offset=1, timestamp=timestamp, key=None, headers=(), value=None)
    found = origin(raw)
    assert found.appended_at.tzinfo is not None
    if timestamp == 1_767_603_600_000:
        assert found.appended_at == DAY


NAMES = st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_sequence", "traceparent"]) | st.text(max_size=8)
VALUES = (
    st.none() | st.binary(max_size=40) | st.sampled_from([b"thing.noted.v1", b"thing.note.v1", b"1", str(S).encode()])
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.none() | st.binary(max_size=60), st.booleans())
def test_whatever_arrives_is_read_or_refused(headers: list[Header], value: bytes | None, good: bool) -> None:
    found = record(TOPIC, S, 1, "word")
    arrived = found._replace(headers=tuple(headers), value=found.value if good else value)
    with suppress(Refused):
        assert read(arrived).event.subject == S
