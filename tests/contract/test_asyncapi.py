"""Both documents are valid AsyncAPI 3.0, point nowhere into the void, and the public one shows an agency's part only."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from amanah.contracts import artefacts
from amanah_contracts.envelope import Audience
from amanah_contracts.registry import COMMANDS, EVENTS

OFFICIAL = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())
DOCUMENTS = {
    name: yaml.safe_load((artefacts.home() / f"asyncapi.{name}.yaml").read_text()) for name in ("public", "internal")
}


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


def _resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_by_the_official_schema(name: str) -> None:
    faults = [
        f"{fault.json_path}: {fault.message[:200]}" for fault in Draft7Validator(OFFICIAL).iter_errors(DOCUMENTS[name])
    ]
    assert faults == []


def test_the_official_schema_refuses_what_is_wrong() -> None:
    """Guards the test above: a validator that accepts anything would prove nothing."""
    spoilt = json.loads(json.dumps(DOCUMENTS["public"]))
    spoilt["operations"]["receive_agency"]["action"] = "overhear"
    assert list(Draft7Validator(OFFICIAL).iter_errors(spoilt))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_resolves(name: str) -> None:
    found = _references(DOCUMENTS[name])
    assert found
    for reference in found:
        assert _resolve(DOCUMENTS[name], reference)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_example_fits_its_payload_and_headers(name: str) -> None:
    for message in DOCUMENTS[name]["components"]["messages"].values():
        for example in message["examples"]:
            Draft7Validator(message["payload"]).validate(example["payload"])
            Draft7Validator(message["headers"]).validate(example["headers"])


def test_the_public_document_is_an_agencys_part_and_no_more() -> None:
    document = DOCUMENTS["public"]
    assert {channel["address"] for channel in document["channels"].values()} == {
        "amanah.agency.{agency}",
        "amanah.agency.{agency}.replies",
    }
    entitled = {event.type() for event in EVENTS if Audience.AGENCY in event.audiences}
    assert set(document["channels"]["agency"]["messages"]) == entitled
    assert set(document["channels"]["agency_replies"]["messages"]) == {command.type() for command in COMMANDS}
    for event in EVENTS:
        for field in event.hidden.get(Audience.AGENCY, ()):
            assert field not in document["components"]["messages"][event.type()]["payload"]["properties"]


def test_the_internal_document_has_every_message() -> None:
    listed = {name for channel in DOCUMENTS["internal"]["channels"].values() for name in channel["messages"]}
    assert listed == {message.type() for message in (*EVENTS, *COMMANDS)}
