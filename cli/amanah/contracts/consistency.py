"""Whether topic files, event classes and examples tell one story. Each fault is a sentence that says what to do."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from amanah.contracts import schemas
from amanah.contracts.topics import Topic
from amanah_contracts.envelope import Audience, Command, Event, Message

AUDIENCES_WITH_TOPIC = (Audience.AGENCY, Audience.OMBUDSMAN)
"""The public reads pages, not topics."""


def faults(messages: Sequence[type[Message]], topics: Sequence[Topic], examples: dict[str, Any]) -> tuple[str, ...]:
    """Every disagreement; empty when there is none."""
    return (
        *_listed(messages, topics),
        *_owners(messages, topics),
        *_audiences(messages, topics),
        *_orders(messages, topics),
        *(fault for message in messages for fault in _shape(message)),
        *_examples(messages, examples),
    )


def _listed(messages: Sequence[type[Message]], topics: Iterable[Topic]) -> Iterator[str]:
    known = {message.type() for message in messages}
    for topic in topics:
        for name in topic.types:
            if name not in known:
                yield f"topics/{topic.id}.yaml lists {name}, which registry.py does not have"


def _owners(messages: Sequence[type[Message]], topics: Sequence[Topic]) -> Iterator[str]:
    owned = {topic.topic: topic for topic in topics if topic.owner}
    for event in _events(messages):
        topic = owned.get(event.topic)
        if topic is None or event.type() not in topic.types:
            yield f"{event.type()} belongs to {event.topic}: list it in that topic's file"
        module = event.__module__.rpartition(".")[2]
        if topic and topic.owner != module:
            yield f"{event.type()} is written in {module}.py, but {event.topic} is owned by {topic.owner}"
        for other in owned.values():
            if other is not topic and event.type() in other.types:
                yield f"topics/{other.id}.yaml lists {event.type()}, whose owner's topic is {event.topic}"


def _audiences(messages: Sequence[type[Message]], topics: Sequence[Topic]) -> Iterator[str]:
    for audience in AUDIENCES_WITH_TOPIC:
        topic = next(topic for topic in topics if topic.audience is audience)
        entitled = [event for event in _events(messages) if audience in event.audiences]
        yield from _difference(
            f"topics/{topic.id}.yaml", {event.type() for event in entitled}, topic.types, f"audience {audience.value}"
        )
        owners = {event.__module__.rpartition(".")[2] for event in entitled}
        yield from _difference(f"topics/{topic.id}.yaml, writers", owners, topic.writers, "the events' owners")
        if audience is Audience.AGENCY:
            for event in entitled:
                if "agency" not in event.model_fields:
                    yield f"{event.type()} is for the agency concerned, but has no field `agency` that names it"


def _orders(messages: Sequence[type[Message]], topics: Sequence[Topic]) -> Iterator[str]:
    topic = next(topic for topic in topics if topic.owner == Audience.AGENCY.value)
    commands = {message.type() for message in messages if issubclass(message, Command)}
    yield from _difference(f"topics/{topic.id}.yaml", commands, topic.types, "the commands of agency.py")


def _difference(where: str, wanted: Collection[str], listed: Collection[str], why: str) -> Iterator[str]:
    for name in sorted(set(wanted) - set(listed)):
        yield f"{where} lacks {name}, demanded by {why}"
    for name in sorted(set(listed) - set(wanted)):
        yield f"{where} has {name} too many, against {why}"


def _shape(message: type[Message]) -> Iterator[str]:
    body = schemas.view(message, None)
    for name, field in body["properties"].items():
        if not field.get("description"):
            yield f"{message.type()}, field `{name}`: say in one sentence what it means (Field(description=…))"
        if name in body["required"] and "null" in field.get("type", []):
            yield f"{message.type()}, field `{name}`: the wire drops nulls, so what may be null needs a default of None"
    if issubclass(message, Event):
        for audience, hidden in message.hidden.items():
            for name in sorted(hidden & set(body["required"])):
                yield f"{message.type()}, field `{name}`: hidden from {audience.value}, so it must be optional"


def _examples(messages: Sequence[type[Message]], examples: dict[str, Any]) -> Iterator[str]:
    known = {message.type(): message for message in messages}
    for name in sorted(known.keys() - examples.keys()):
        yield f"examples/{name}.json is missing: write one by hand, realistic and without personal data"
    for name, example in examples.items():
        if name not in known:
            yield f"examples/{name}.json has no message: an example is kept for ever, and so is its class"
            continue
        try:
            known[name].model_validate(example)
        except ValidationError as invalid:
            fields = ", ".join(".".join(map(str, error["loc"])) or "body" for error in invalid.errors())
            yield f"examples/{name}.json no longer loads ({fields}): events like it lie in Kafka; mend the model"
        for extra in sorted(example.keys() - known[name].model_fields.keys()):
            yield f"examples/{name}.json has `{extra}`, which the model does not know"


def _events(messages: Iterable[type[Message]]) -> Iterator[type[Event]]:
    return (message for message in messages if issubclass(message, Event))
