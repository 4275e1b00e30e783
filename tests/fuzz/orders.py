"""Records as outsiders may write them to a topic: noise, wrong shapes, absurd values, versions of the future."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from hypothesis import strategies as st
from tests.fuzz.junk import INSTANTS, deep, doubled, instants, not_json, texts, values, written

Header = tuple[str, bytes | None]
VERBS = (
    "acknowledge",
    "reply",
    "resolve",
    "decline",
    "request_information",
    "receive_information",
    "extend",
    "withdraw_action",
)
TYPES = [f"case.{verb}.v1".encode() for verb in VERBS]
WORDS = ("reply", "outcome", "reason", "question", "article", "order_id", "proposed_agency")


@dataclass(frozen=True, slots=True)
class Sent:
    """One record as it is written."""

    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]

    def order_id(self, topic: str, offset: int) -> str:
        """By which the desk knows it, if it is an order: what the README of casework says of `ce_id`."""
        found = dict(self.headers).get("ce_id")
        text = (found or b"").decode("latin-1") or f"0:{offset}"
        try:
            return str(UUID(text))
        except ValueError:
            return str(uuid5(NAMESPACE_URL, f"{topic}/{text}"))


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    ["ce_id", "ce_type", "ce_source", "", "x" * 2000]
)
bytes_ = st.none() | st.binary(max_size=40) | st.sampled_from([b"", b"\xff\xfe", b"\0", b"x" * 20_000, "１".encode()])
_NO_ORDERS = (
    *(
        b"case.reply.v2",
        b"case.reply.v99999999999",
        b"case.reply",
        b"CASE.REPLY.V1",
        b"case.reply.v1\0",
        b"\xff",
        b"",
        b"x" * 9000,
    ),
    *(
        b"case.promote.v1",
        b"complaint.routed.v1",
        b"complaint.submitted.v1",
        b"case.replied.v1",
        b"complaint.dreamt.v7",
    ),
)
types = st.sampled_from([*TYPES, *_NO_ORDERS])
headers = st.tuples(
    st.lists(st.tuples(names, bytes_), max_size=4),
    st.none() | types | types | types,
    st.none() | bytes_ | st.uuids().map(lambda i: str(i).encode()),
).map(
    lambda h: (
        *h[0],
        *((("ce_id", h[2]),) if h[2] is not None else ()),
        *((("ce_type", h[1]),) if h[1] is not None else ()),
    )
)


def bodies(victims: list[str]) -> st.SearchStrategy[bytes]:
    """`victims`: complaints that no good order is about; some exist, some do not, some are another agency's."""
    told = st.fixed_dictionaries(
        {"complaint_id": st.sampled_from(victims)},
        optional={"occurred_at": instants | values, **dict.fromkeys(WORDS, texts | values)},
    )
    right = st.fixed_dictionaries(
        {
            "complaint_id": st.sampled_from(victims),
            **dict.fromkeys(
                ("reply", "reason", "question", "order_id"),
                st.sampled_from(["fine", "a\0b", "\0"]) | st.text(min_size=1, max_size=30),
            ),
        },
        optional={
            "occurred_at": st.sampled_from(INSTANTS),
            "proposed_agency": st.sampled_from(["nypd", "nobody", "dot"]),
        },
    )
    huge = st.sampled_from([100_000, 900_000]).map(
        lambda size: json.dumps({"complaint_id": victims[0], "reply": "x" * size}).encode()
    )
    return st.one_of(
        right.map(written),
        right.map(written),
        told.map(written),
        told.map(written),
        told.map(doubled),
        huge,
        values.map(written),
        not_json,
        deep,
    )


def records(victims: list[str]) -> st.SearchStrategy[Sent]:
    value = bodies(victims) | bodies(victims) | st.binary(max_size=200) | st.none()
    return st.builds(Sent, bytes_, value, headers)


def order(verb: str, complaint: UUID, **body: Any) -> Sent:
    """A good one."""
    value = json.dumps({"complaint_id": str(complaint), **body}).encode()
    return Sent(
        str(complaint).encode(), value, (("ce_id", str(uuid4()).encode()), ("ce_type", f"case.{verb}.v1".encode()))
    )
