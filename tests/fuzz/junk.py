"""What people and broken programs write: texts, JSON values, JSON that is none."""

import json
import math
from typing import Any

from hypothesis import strategies as st

NASTY = [
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\ud800",
        "\udfff x",
        "\ufeff",
        "\u202e",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\u2028",
        "\n",
        "\r\n",
        "\t",
    ),
    *(
        "null",
        "true",
        "NaN",
        "-1",
        "1e999",
        "0x10",
        "１２３",
        "²",
        "9" * 40,
        "9" * 5000,
        "${x}",
        "{{x}}",
        "%s",
        "%00",
        "../../etc",
    ),
    *("'", '"', "';--", "\\", "\\u0000", "<script>", "a" * 300, "ü" * 300, "👩\u200d👩", "a" * 9000),
]
INSTANTS = [
    *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z"),
    *("1970-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-16T24:00:00Z", "2026-03-16T09:00:60Z", "2026-03-16"),
    *("2026-03-16T09:00:00", "2026-03-16T09:00:00+99:00", "2026-03-16T09:00:00+23:59:59.999999", "20260316T090000Z"),
    *(
        "2026-W12-1T09:00:00+08:00",
        "-2026-03-16T09:00:00Z",
        "10000-01-01T00:00:00Z",
        "1e9",
        "0",
        "٢٠٢٦-٠٣-١٦T٠٩:٠٠:٠٠Z",
    ),
    *("2120-12-31T23:59:59Z", "2121-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-03-16T09:00:00 08:00"),
]

texts = st.sampled_from(NASTY) | st.text(max_size=40) | st.text(st.characters(), max_size=12)
"""Lone surrogates among them."""
instants = st.sampled_from(INSTANTS) | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()) | texts
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, math.inf, math.nan, 1e308, True])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
deep = st.sampled_from([50, 500, 5_000, 50_000]).flatmap(
    lambda depth: st.sampled_from([b"[" * depth, b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth])
)
not_json = (
    deep
    | st.binary(max_size=60)
    | st.sampled_from(
        [
            b"",
            b" ",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"7",
            b"\xff\xfe{\x00}\x00",
            b"\xef\xbb\xbf{}",
            b"{}{}",
            b"\0",
            b"NaN",
        ]
    )
)


def written(value: Any) -> bytes:
    """JSON as a careless program writes it: NaN and Infinity as words, lone surrogates as escapes."""
    return json.dumps(value).encode()


def doubled(body: dict[str, Any]) -> bytes:
    """Each key twice, the second time with another value."""
    pairs = [
        f"{json.dumps(key)}: {json.dumps(value)}" for key, value in [*body.items(), *((key, None) for key in body)]
    ]
    return f"{{{', '.join(pairs)}}}".encode()
