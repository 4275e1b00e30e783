"""What the form takes, and which field it names when it does not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amanah_chassis.problems import Problem
from amanah_intake.api import parsed
from amanah_intake.domain.form import Form, faults, unentitled

SOUND: dict[str, Any] = {"category": "Jalan", "narrative": "Lampu jalan mati."}


def form(**fields: Any) -> Form:
    return Form.model_validate_json(json.dumps(SOUND | fields))


def refused_fields(body: bytes) -> set[str]:
    with pytest.raises(Problem) as refused:
        parsed(body)
    assert refused.value.status == 422
    assert refused.value.kind == "invalid_request"
    return {error["field"] for error in refused.value.errors}


WRONG: dict[str, list[Any]] = {
    "category": [None, "", "  ", "c" * 121, 12, "a\0b", "a\x1b[31mb", "a\u202eb"],
    "narrative": [None, "", " \n ", "n" * 8001, ["x"], "a\0b", "a\x1ab"],
    "classification": ["", "c" * 61, "a\0"],
    "region": ["", "63/03", "a\n", "r" * 65, "a\0"],
    "agency_named": ["", "a" * 64, "a\x07b"],
    "visibility": ["secret", "OPEN"],
    "channel": ["fax"],
    "source_ref": ["", "s" * 121, "a\x1bb", "a\0b", "a\x9bb"],
    "given_due_at": [
        "2026-11-25T08:00:00",
        "2026-11-25",
        "20261125",
        1764000000,
        "tomorrow",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        [],
    ],
    "occurred_at": ["2026-11-25T08:00:00", 0],
    "language": ["fr", "i\0"],
    "identity": ["Budi", []],
    "identity.name": ["", "n" * 201, "a\0b"],
    "identity.nik": ["630305151190000", "63030515119000011", "6303051511900001\n", "630305151190000x"],
    "identity.phone": ["12", "0812 call me", "0812345678\n"],
    "identity.email": ["warga", "a b@example.org", "a@b.org\nBcc: x@y.org", "a\0b@example.org", "a\u202e@example.org"],
    "identity.address": ["", "a" * 501, "a\0b"],
    "unknown": [1],
    "identity.unknown": [1],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    outer, _, inner = field.partition(".")
    body = SOUND | {outer: {inner: value} if inner else value}
    assert refused_fields(json.dumps(body).encode()) == {field}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"1" * 5000,
        b'{"category":"c","narrative":"\xff\xfe"}',
        b'{"category":"c","narrative":"\xed\xa0\x80"}',
        b'{"category":"c","narrative":"\\ud800 x"}',
        b'{"\\udc00":1}',
        b"[" * 100_000,
        b'{"identity":' * 20_000,
        b'{"category":"c","narrative":"x","given_due_at":' + b"9" * 100_000 + b"}",
        b'\xef\xbb\xbf{"category":"c","narrative":"x"}',
        b'{"category":"c","narrative":"x"} x',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_json_object_is_refused_as_a_whole(body: bytes) -> None:
    assert refused_fields(body) == {"body"}


def test_no_fault_repeats_what_was_sent() -> None:
    with pytest.raises(Problem) as refused:
        parsed(json.dumps(SOUND | {"identity": {"nik": "6303051511900001x", "email": "rahasia"}}).encode())
    assert "6303051511900001" not in str(refused.value.errors) + refused.value.detail
    assert "rahasia" not in str(refused.value.errors) + refused.value.detail


def test_many_faults_are_cut_short() -> None:
    with pytest.raises(Problem) as refused:
        parsed(json.dumps({f"{number}" + "k" * 1000: 1 for number in range(200)}).encode())
    assert len(refused.value.errors) == 20
    assert all(len(error["field"]) <= 80 for error in refused.value.errors)


def test_optional_fields_may_be_null() -> None:
    nulls = dict.fromkeys(
        ["classification", "region", "agency_named", "source_ref", "given_due_at", "occurred_at", "identity"]
    )
    assert form(**nulls) == form()
    assert form(identity=dict.fromkeys(["name", "nik", "phone", "email", "address"])).identity.is_empty()  # type: ignore[union-attr]


def test_line_and_page_ends_of_word_processors_become_plain_ones() -> None:
    assert form(narrative="one\x0btwo\x0cthree").narrative == "one\ntwo\nthree"


def test_a_line_keeps_its_words_and_loses_its_line_ends() -> None:
    assert form(category=" Noise\u00a0-\tStreet\r\nSidewalk ").category == "Noise - Street Sidewalk"


@pytest.mark.parametrize("year", ["1900", "2018", "2100", "9998"])
def test_an_imported_deadline_may_lie_far_away(year: str) -> None:
    due = form(given_due_at=f"{year}-01-01T00:00:00-05:00").given_due_at
    assert due is not None
    assert due.astimezone(UTC) == datetime(int(year), 1, 1, 5, tzinfo=UTC)


# --- what no single field can know ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"channel": "import"}, {"channel"}),
        ({"channel": "counter"}, {"channel"}),
        ({"given_due_at": "2026-11-25T08:00:00Z"}, {"given_due_at"}),
        ({"occurred_at": "2026-11-25T08:00:00Z"}, {"occurred_at"}),
        ({"channel": "web"}, set()),
        ({}, set()),
    ],
)
def test_what_only_the_service_token_may_say(fields: dict[str, Any], named: set[str]) -> None:
    assert {field for field, _ in unentitled(form(**fields))} == named


@pytest.mark.parametrize("field", ["category", "classification", "agency_named", "source_ref"])
@pytest.mark.parametrize("secret", ["081234567890", "6303051511900001", "warga@example.org"])
def test_open_fields_of_a_citizen_hold_no_personal_number(field: str, secret: str) -> None:
    found = faults(form(**{field: f"x {secret}"}), trusted=False, categories=None)
    assert {name for name, _ in found} == {field}
    assert secret not in str(found)


def test_an_import_is_masked_where_a_citizen_would_be_asked_again() -> None:
    masked = form(
        category="call 081234567890", agency_named="a" * 55 + "12345678", source_ref="6303051511900001"
    ).masked()
    assert masked.category == "call [phone]"
    assert masked.agency_named is not None
    assert len(masked.agency_named) <= 63
    assert masked.source_ref == "6303051511900001"
    assert faults(masked, trusted=True, categories=None) == []


def test_a_category_must_be_one_of_the_home() -> None:
    assert [field for field, _ in faults(form(), trusted=False, categories=frozenset({"Air"}))] == ["category"]
    assert faults(form(), trusted=False, categories=frozenset({"Jalan"})) == []


def test_a_whistle_blower_leaves_no_identity_and_no_published_words() -> None:
    named = form(visibility="whistle_blower", identity={"email": "warga@example.org"})
    assert [field for field, _ in faults(named, trusted=False, categories=None)] == ["identity"]
    assert form(visibility="whistle_blower").published_narrative() is None


@given(st.text(st.sampled_from("0123456789 @.ab"), min_size=1, max_size=8000).filter(str.strip))
def test_what_is_published_fits_its_contract(narrative: str) -> None:
    published = Form(category="c", narrative=narrative).published_narrative()
    assert published is not None
    assert len(published) <= 8000


def test_the_fingerprint_follows_the_meaning_not_the_spelling() -> None:
    spelled = Form.model_validate_json(b' {"narrative": "Lampu jalan mati.", "region": null, "category":"\\u004aalan"}')
    assert spelled.fingerprint() == form().fingerprint()
    assert form(region="63").fingerprint() != form().fingerprint()


def test_a_form_cannot_change_once_it_was_checked() -> None:
    with pytest.raises(ValidationError):
        form().category = "other"  # type: ignore[misc]
