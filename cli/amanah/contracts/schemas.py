"""The JSON Schema of a message, in a form fit to be committed, compared and shown.

Against what pydantic writes: definitions are put in place, so that a schema needs nothing beside it; generated titles are
dropped; `anyOf` with null becomes a list of types. Beside the body it states what readers rely on as well: `x-topic`,
`x-audiences` and `x-hidden`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amanah_contracts.envelope import Audience, Event, Message

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def current(message: type[Message]) -> Schema:
    """The schema of a message as its model is now."""
    body = _body(message)
    return {
        "$schema": DIALECT,
        "$id": f"urn:amanah:{message.type()}",
        "title": message.__name__,
        "description": _one_line(message.__doc__),
        **_routing(message),
        "type": "object",
        "properties": body["properties"],
        "required": body["required"],
    }


def view(message: type[Message], audience: Audience | None) -> Schema:
    """The body as one audience sees it, or the whole one: without the fields hidden from it."""
    body = _body(message)
    hidden = _hidden(message).get(audience, frozenset()) if audience else frozenset()
    return {
        "type": "object",
        "properties": {name: field for name, field in body["properties"].items() if name not in hidden},
        "required": body["required"],
    }


def path_of(message: type[Message]) -> str:
    return f"{message.type()}.json"


def dump(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def committed(folder: Path) -> dict[str, Schema]:
    """The schemas of the last commit by `ce_type`, such as `complaint.submitted.v1`."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _body(message: type[Message]) -> Schema:
    raw = message.model_json_schema(mode="validation")
    body = _tidy(raw, raw.get("$defs", {}))
    return {"properties": body["properties"], "required": body.get("required", [])}


def _routing(message: type[Message]) -> Schema:
    if not issubclass(message, Event):
        return {"x-kind": "command"}
    hidden = {audience.value: sorted(fields) for audience, fields in sorted(message.hidden.items()) if fields}
    return {
        "x-kind": "event",
        "x-topic": message.topic,
        "x-audiences": sorted(message.audiences),
        **({"x-hidden": hidden} if hidden else {}),
    }


def _hidden(message: type[Message]) -> Mapping[Audience, frozenset[str]]:
    return message.hidden if issubclass(message, Event) else {}


def _tidy(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    if "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _tidy({**definitions[node["$ref"].rpartition("/")[2]], **beside}, definitions)
    node = {key: value for key, value in node.items() if key not in ("title", "$defs")}
    if "properties" in node:
        node["properties"] = {name: _tidy(field, definitions) for name, field in node["properties"].items()}
    if "items" in node:
        node["items"] = _tidy(node["items"], definitions)
    if "anyOf" in node:
        return _without_any_of(node, [_tidy(branch, definitions) for branch in node["anyOf"]])
    if "description" in node:
        node["description"] = _one_line(node["description"])
    return node


def _without_any_of(node: Schema, branches: list[Schema]) -> Schema:
    values = [branch for branch in branches if branch != {"type": "null"}]
    if len(values) != 1 or len(values) == len(branches) or not isinstance(values[0].get("type"), str):
        return {**node, "anyOf": branches}
    beside = {key: value for key, value in node.items() if key != "anyOf" and (key, value) != ("default", None)}
    merged = {**values[0], **beside, "type": [values[0]["type"], "null"]}
    if "enum" in merged:
        merged["enum"] = [*merged["enum"], None]
    return {"type": merged.pop("type"), **merged}


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
