"""From a raw Kafka record to a typed message. Headers from outside are bytes and may be anything."""

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import ValidationError

from amanah_chassis.batch import Delivered, Origin
from amanah_chassis.errors import Undecodable, UnknownType
from amanah_contracts.envelope import Command, Message, Registry


def origin(record: Any) -> Origin:
    """The record as it lies in Kafka; `record` is an aiokafka ConsumerRecord."""
    return Origin(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=record.key,
        headers=tuple(record.headers),
        value=record.value,
    )


def message_type(found: Origin, registry: Registry) -> type[Message]:
    """The class that `ce_type` names; Undecodable without one, UnknownType when nobody here knows it."""
    headers = dict(found.headers)
    name = _text(headers, "ce_type")
    message = registry.find(name)
    if message is None:
        raise UnknownType(f"ce_type {name[:80]!r} is not in this release's contracts: deploy a newer one, then replay")
    return message


def delivered(found: Origin, message: type[Message]) -> Delivered[Any]:
    """Reads the body by its contract. Raises Undecodable and says which header or field is at fault, never its value."""
    headers = dict(found.headers)
    if found.value is None:
        raise Undecodable("the record has no body")
    try:
        event = message.model_validate_json(found.value)
    except ValidationError as invalid:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in invalid.errors(include_input=False)[:5]
        )
        raise Undecodable(f"{message.type()} does not fit its contract: {faults}") from None
    is_order = issubclass(message, Command)
    return Delivered(
        event=event,
        id=_order_id(headers, found) if is_order else _uuid(headers, "ce_id"),
        source=found.topic if is_order else _text(headers, "ce_source"),
        seq=0 if is_order else _count(headers, "ce_sequence"),
        origin=found,
        traceparent=_optional_text(headers, "traceparent"),
        appended_at=found.appended_at,
    )


def _text(headers: dict[str, bytes], name: str) -> str:
    raw = headers.get(name)
    if raw is None:
        raise Undecodable(f"header {name} is missing")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Undecodable(f"header {name} is not UTF-8") from None


def _optional_text(headers: dict[str, bytes], name: str) -> str | None:
    raw = headers.get(name)
    if raw is None or len(raw) > 64:
        return None
    return raw.decode("ascii", "ignore")


def _uuid(headers: dict[str, bytes], name: str) -> UUID:
    try:
        return UUID(_text(headers, name))
    except ValueError:
        raise Undecodable(f"header {name} is not a UUID") from None


def _order_id(headers: dict[str, bytes], found: Origin) -> UUID:
    """Outsiders may use any `ce_id`, or none: then the record itself is the order's identity."""
    text = headers.get("ce_id", b"").decode("utf-8", "replace") or f"{found.partition}:{found.offset}"
    try:
        return UUID(text)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"{found.topic}/{text}")


def _count(headers: dict[str, bytes], name: str) -> int:
    text = _text(headers, name)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:18]) == int(text):
        raise Undecodable(f"header {name} is not a whole number from 1")
    return int(text)
