"""The Kafka headers of CloudEvents 1.0 in binary mode, as Amanah writes them and as it needs them of an agency."""

from amanah.contracts.schemas import Schema
from amanah_contracts.envelope import Event, Message

_TRACEPARENT = "W3C trace context, where tracing is on."

_ID: Schema = {"type": "string", "format": "uuid"}
_COMMON: dict[str, Schema] = {
    "ce_specversion": {"type": "string", "const": "1.0", "description": "Version of CloudEvents."},
    "ce_type": {"type": "string", "description": "Name and version of the message; decides how to read the body."},
}
_EVENT: dict[str, Schema] = {
    **_COMMON,
    "ce_id": {**_ID, "description": "Id of the event (UUIDv7), the same on every topic and at every redelivery."},
    "ce_source": {"type": "string", "description": "The service that published it.", "examples": ["amanah.casework"]},
    "ce_time": {
        "type": "string",
        "format": "date-time",
        "description": "When the event was written down, by the deployment's clock.",
    },
    "ce_subject": {**_ID, "description": "The complaint; also the key of the record."},
    "ce_sequence": {
        "type": "string",
        "pattern": "^[1-9][0-9]*$",
        "description": "1, 2, 3 … per complaint and source on this topic: a gap is a loss, a repetition a duplicate.",
    },
    "content-type": {"type": "string", "const": "application/json", "description": "Of the body: JSON in UTF-8."},
    "traceparent": {"type": "string", "description": _TRACEPARENT},
}
_ORDER: dict[str, Schema] = {
    **_COMMON,
    "ce_id": {**_ID, "description": "Id of the order; the same when you send it again, so that it is done once."},
    "ce_source": {"type": "string", "description": "Your system's name; for the trail only."},
    "traceparent": {"type": "string", "description": _TRACEPARENT},
}


def of(message: type[Message]) -> Schema:
    """The schema of a message's headers. An order needs two; an event always has all but the last."""
    fields, required = (
        (_EVENT, [name for name in _EVENT if name != "traceparent"])
        if issubclass(message, Event)
        else (_ORDER, ["ce_type", "ce_id"])
    )
    named = {**fields, "ce_type": {**fields["ce_type"], "const": message.type()}}
    return {"type": "object", "properties": named, "required": required}


def example(message: type[Message], body: Schema, owner: str) -> dict[str, str]:
    """Headers as they would stand beside an example body."""
    sample = {
        "ce_specversion": "1.0",
        "ce_id": "0197a1c2-7d10-7c3e-9b54-5f2d1c7e8a90",
        "ce_source": f"amanah.{owner}",
        "ce_type": message.type(),
        "ce_time": str(body.get("received_at", "")),
        "ce_subject": str(body["complaint_id"]),
        "ce_sequence": "1",
        "content-type": "application/json",
    }
    if issubclass(message, Event):
        return sample
    return {name: sample[name] for name in ("ce_specversion", "ce_id", "ce_type")} | {"ce_source": "your-desk"}
