"""From a raw Kafka record to a typed message. Headers from outside are bytes and may be anything."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import ValidationError

from amanah_chassis import telemetry
from amanah_chassis.batch import Delivered, Origin
from amanah_chassis.errors import Misplaced, Undecodable, UnknownType
from amanah_contracts.envelope import Event, Message, Registry

_EPOCH = datetime.fromtimestamp(0, UTC)
_DIGITS = 18
"""As many as surely fit a bigint."""


def origin(record: Any) -> Origin:
    """The record as it lies in Kafka; `record` is an aiokafka ConsumerRecord."""
    return Origin(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_at=_instant(record.timestamp),
        key=record.key,
        headers=tuple(record.headers),
        value=record.value,
    )


def _instant(milliseconds: int) -> datetime:
    """A topic without LogAppendTime carries what its producer wrote, which may be no date at all: then the epoch."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _EPOCH


@cache
def own_topic(message: type[Message]) -> str | None:
    """Where its owner publishes an event; None for an order, which outsiders write to topics of their own."""
    return message.topic if issubclass(message, Event) else None


def message_type(found: Origin, registry: Registry) -> type[Message]:
    """The class that `ce_type` names. Undecodable without one, UnknownType when nobody here knows it, Misplaced when it is
    an event outside its owner's topic: outsiders may write to other topics, and must not be able to forge a fact."""
    headers = dict(found.headers)
    name = _text(headers, "ce_type")
    message = registry.find(name)
    if message is None:
        raise UnknownType(f"ce_type {name[:80]!r} is not in this release's contracts: deploy a newer one, then replay")
    if (topic := own_topic(message)) is not None and topic != found.topic:
        raise Misplaced(f"{name} belongs on {topic}, where only its owner may write")
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
        raise Undecodable(f"the body does not fit its contract: {faults}") from None
    order = own_topic(message) is None
    return Delivered(
        event=event,
        id=_order_id(headers, found) if order else _uuid(headers, "ce_id"),
        source=found.topic if order else _text(headers, "ce_source"),
        seq=0 if order else _count(headers, "ce_sequence"),
        origin=found,
        traceparent=_traceparent(headers),
        appended_at=found.appended_at,
    )


def place_in_stream(found: Origin) -> tuple[str, UUID, int] | None:
    """Source, subject and seq of an event as its headers alone say it; None when they do not. For what cannot be read."""
    headers = dict(found.headers)
    try:
        return _text(headers, "ce_source"), _uuid(headers, "ce_subject"), _count(headers, "ce_sequence")
    except Undecodable:
        return None


def _text(headers: dict[str, bytes | None], name: str) -> str:
    raw = headers.get(name)
    if raw is None:
        raise Undecodable(f"header {name} is missing")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Undecodable(f"header {name} is not UTF-8") from None


def _traceparent(headers: dict[str, bytes | None]) -> str | None:
    raw = headers.get("traceparent")
    return telemetry.checked(raw.decode("ascii", "replace")) if raw else None


def _uuid(headers: dict[str, bytes | None], name: str) -> UUID:
    try:
        return UUID(_text(headers, name))
    except ValueError:
        raise Undecodable(f"header {name} is not a UUID") from None


def _order_id(headers: dict[str, bytes | None], found: Origin) -> UUID:
    """Outsiders may use any `ce_id`, or none: then the record itself is the order's identity."""
    # Latin-1 gives different bytes different names, also where they are no text.
    text = (headers.get("ce_id") or b"").decode("latin-1") or f"{found.partition}:{found.offset}"
    return order_id(text, found.topic)


def order_id(text: str, topic: str) -> UUID:
    """What an order of that id on that topic is known by: a UUID in its one spelling, and anything else made one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"{topic}/{text}")


def _count(headers: dict[str, bytes | None], name: str) -> int:
    text = _text(headers, name)
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS or int(text) < 1:
        raise Undecodable(f"header {name} is not a whole number from 1")
    return int(text)
