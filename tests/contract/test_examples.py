"""Examples written by hand load for ever, fit their committed schema, and survive the way over Kafka."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from amanah.contracts import artefacts, schemas
from amanah_contracts.envelope import Event
from amanah_contracts.registry import REGISTRY

EXAMPLES = artefacts.read_examples(artefacts.home())
COMMITTED = schemas.committed(artefacts.home() / "amanah_contracts" / "schemas")

PERSONAL = {
    "NIK": re.compile(r"(?<!\d)\d{16}(?!\d)"),
    "phone": re.compile(r"(?<![\d-])(?:\+62|08)\d[\d -]{6,}"),
    "e-mail": re.compile(r"[\w.]+@[\w-]+\.\w+"),
}


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_schema_is_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(COMMITTED[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_fits_its_committed_schema(name: str) -> None:
    _validator(COMMITTED[name]).validate(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_loads_and_goes_over_the_wire(name: str) -> None:
    message = REGISTRY.find(name)
    assert message is not None
    loaded = message.model_validate(EXAMPLES[name])
    if isinstance(loaded, Event):
        for audience in (None, *loaded.audiences):
            sent = loaded.view(audience)
            read = type(loaded).model_validate_json(sent)
            assert read.complaint_id == loaded.complaint_id
            _validator(schemas.view(message, audience)).validate(json.loads(sent))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_reader_ignores_fields_of_a_later_release(name: str) -> None:
    message = REGISTRY.find(name)
    assert message is not None
    assert message.model_validate({**EXAMPLES[name], "of_a_later_release": 1}) == message.model_validate(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_time_without_zone_is_refused(name: str) -> None:
    message = REGISTRY.find(name)
    assert message is not None
    with pytest.raises(ValueError, match="timezone"):
        message.model_validate({**EXAMPLES[name], "occurred_at": "2026-06-08T01:12:40"})


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_holds_no_personal_data(name: str) -> None:
    text = json.dumps({key: value for key, value in EXAMPLES[name].items() if key not in ("template", "calendar")})
    assert [kind for kind, pattern in PERSONAL.items() if pattern.search(text)] == []
