"""Each kind of breaking change is caught, and no harmless one is."""

from copy import deepcopy
from typing import Any

import pytest

from amanah.contracts.compatibility import breaks

COMMITTED: dict[str, Any] = {
    "title": "ParcelSent",
    "description": "A parcel was sent.",
    "x-topic": "post.parcels",
    "x-audiences": ["agency", "ombudsman"],
    "properties": {
        "id": {"type": "string", "format": "uuid", "description": "Which."},
        "weight": {"type": "integer", "minimum": 1, "maximum": 30, "description": "Kilograms."},
        "town": {"type": "string", "maxLength": 40, "pattern": "^[a-z]+$", "default": "north"},
        "speed": {"type": "string", "enum": ["slow", "fast"]},
        "note": {"type": ["string", "null"], "maxLength": 80},
        "marks": {"type": "array", "items": {"type": "string", "maxLength": 9}},
        "sender": {
            "type": "object",
            "properties": {"role": {"type": "string"}, "desk": {"type": "string", "maxLength": 5}},
            "required": ["role"],
        },
    },
    "required": ["id", "weight", "speed"],
}


def _changed(*path: str, to: Any) -> dict[str, Any]:
    """The committed schema with one value set, or taken away where `to` is `...`."""
    schema = deepcopy(COMMITTED)
    node = schema
    for key in path[:-1]:
        node = node[key]
    if to is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return schema


def _renamed() -> dict[str, Any]:
    schema = deepcopy(COMMITTED)
    schema["properties"]["place"] = schema["properties"].pop("town")
    return schema


def _added_required() -> dict[str, Any]:
    schema = _changed("properties", "price", to={"type": "integer"})
    schema["required"] = [*schema["required"], "price"]
    return schema


P = "properties"
BREAKING = {
    "field removed": (_changed(P, "note", to=...), "field `note`: removed"),
    "field renamed": (_renamed(), "field `town`: removed (renamed to `place`?)"),
    "new required field": (_added_required(), "field `price`: a new field that is required"),
    "optional field made required": (
        _changed("required", to=["id", "weight", "speed", "town"]),
        "field `town`: was optional and is now required",
    ),
    "required field made optional": (
        _changed("required", to=["id", "weight"]),
        "field `speed`: was required and is now optional",
    ),
    "type changed": (_changed(P, "weight", "type", to="string"), "field `weight`: type integer became string"),
    "type widened": (_changed(P, "weight", "type", to="number"), "field `weight`: type integer became number"),
    "null no longer allowed": (_changed(P, "note", "type", to="string"), "field `note`: type"),
    "null newly allowed": (_changed(P, "town", "type", to=["string", "null"]), "field `town`: type"),
    "format changed": (_changed(P, "id", "format", to="uri"), "field `id`: format uuid became uri"),
    "format dropped": (_changed(P, "id", "format", to=...), "field `id`: format uuid was dropped"),
    "pattern changed": (
        _changed(P, "town", "pattern", to="^[A-Z]+$"),
        "field `town`: pattern ^[a-z]+$ became ^[A-Z]+$",
    ),
    "pattern added": (_changed(P, "note", "pattern", to="^x"), "field `note`: pattern ^x is new"),
    "length narrowed": (_changed(P, "town", "maxLength", to=20), "field `town`: maxLength 40 became 20"),
    "length widened": (_changed(P, "town", "maxLength", to=60), "field `town`: maxLength 40 became 60"),
    "bound added": (_changed(P, "town", "minLength", to=2), "field `town`: minLength 2 is new"),
    "bound dropped": (_changed(P, "weight", "maximum", to=...), "field `weight`: maximum 30 was dropped"),
    "enum value removed": (_changed(P, "speed", "enum", to=["slow"]), "field `speed`: values removed: fast"),
    "enum value added": (
        _changed(P, "speed", "enum", to=["slow", "fast", "express"]),
        "field `speed`: values added, which a deployed reader refuses: express",
    ),
    "enum opened": (_changed(P, "speed", "enum", to=...), "field `speed`: was a closed list of values"),
    "enum closed": (_changed(P, "town", "enum", to=["north"]), "field `town`: became a closed list of values"),
    "default changed": (_changed(P, "town", "default", to="south"), "field `town`: default north became south"),
    "default dropped": (_changed(P, "town", "default", to=...), "field `town`: default north was dropped"),
    "items narrowed": (_changed(P, "marks", "items", "maxLength", to=3), "field `marks[]`: maxLength 9 became 3"),
    "inner field removed": (_changed(P, "sender", P, "desk", to=...), "field `sender.desk`: removed"),
    "inner field narrowed": (_changed(P, "sender", P, "desk", "maxLength", to=1), "field `sender.desk`: maxLength 5"),
    "topic moved": (_changed("x-topic", to="post.letters"), "moved from topic post.parcels to post.letters"),
    "audience lost": (_changed("x-audiences", to=["agency"]), "the ombudsman no longer receives it"),
    "field newly hidden": (_changed("x-hidden", to={"agency": ["note"]}), "field `note`: hidden from the agency"),
}


@pytest.mark.parametrize("case", BREAKING)
def test_a_breaking_change_is_caught_and_named(case: str) -> None:
    current, sentence = BREAKING[case]
    found = [str(one) for one in breaks(COMMITTED, current)]
    assert len(found) == 1, found
    assert found[0].startswith(sentence)


HARMLESS = {
    "nothing": COMMITTED,
    "optional field added": _changed(P, "colour", to={"type": ["string", "null"], "x-since": "0.2.0"}),
    "optional field with a default added": _changed(P, "count", to={"type": "integer", "default": 1}),
    "words changed": _changed(P, "id", "description", to="Which one."),
    "examples added": _changed(P, "town", "examples", to=["north"]),
    "audience added": _changed("x-audiences", to=["agency", "ombudsman", "public"]),
    "optional inner field added": _changed(P, "sender", P, "floor", to={"type": "integer"}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_harmless_change_passes(case: str) -> None:
    assert breaks(COMMITTED, HARMLESS[case]) == ()


def test_all_breaks_are_told_at_once() -> None:
    current = _changed(P, "note", to=...)
    current[P]["town"]["maxLength"] = 1
    assert {one.field for one in breaks(COMMITTED, current)} == {"note", "town"}
