"""A record that is kept comes back byte for byte."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from tests.support.ledger_service import record

from amanah_chassis.parked import origin_of, origin_row, pack_headers, unpack_headers

NAMES = st.text(max_size=10) | st.binary(max_size=10).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=20))))
def test_headers_come_back_whole(headers: list[tuple[str, bytes | None]]) -> None:
    assert unpack_headers(pack_headers(headers)) == tuple(headers)


def test_a_record_comes_back_whole() -> None:
    found = record("t", uuid4(), 3, "word", offset=7, ce_source=b"\xff\x00")
    names = ("topic", "partition", "offset", "appended_at", "key", "headers", "value")
    assert origin_of(dict(zip(names, origin_row(found), strict=True))) == found
