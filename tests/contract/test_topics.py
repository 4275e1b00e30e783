"""Topic files agree with the classes and with what the services consume; each disagreement is caught."""

import importlib
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field, ValidationError

from amanah.contracts import artefacts, consistency, topics
from amanah.contracts.topics import Topic
from amanah_contracts.envelope import Audience, Event, Message
from amanah_contracts.registry import COMMANDS, EVENTS
from amanah_contracts.routing import TriageRequested

ALL = topics.load()
MESSAGES: tuple[type[Message], ...] = (*EVENTS, *COMMANDS)
EXAMPLES = artefacts.read_examples(artefacts.home())
SERVICES = ("intake", "routing", "casework", "sla_monitor", "notifier")


def _replaced(topic_id: str, **changes: Any) -> list[Topic]:
    return [topic.model_copy(update=changes) if topic.id == topic_id else topic for topic in ALL]


def _topic(topic_id: str) -> Topic:
    return next(topic for topic in ALL if topic.id == topic_id)


def test_topic_files_agree_with_the_classes() -> None:
    assert consistency.faults(MESSAGES, ALL, EXAMPLES) == ()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (_replaced("complaints", messages=()), "complaint.submitted.v1 belongs to amanah.complaints"),
        (_replaced("complaints", owner="routing"), "is owned by routing"),
        (_replaced("agency", messages=_topic("agency").messages[1:]), "topics/agency.yaml lacks complaint.routed.v1"),
        (_replaced("ombudsman", messages=_topic("agency").messages), "topics/ombudsman.yaml has complaint.routed.v1"),
        (_replaced("agency", writers=("routing",)), "topics/agency.yaml, writers lacks casework"),
        (_replaced("agency_replies", messages=()), "topics/agency_replies.yaml lacks case.acknowledge.v1"),
        (_replaced("notices", messages=_topic("cases").messages), "topics/notices.yaml lists case.replied.v1"),
    ],
)
def test_a_disagreement_is_caught(changed: list[Topic], sentence: str) -> None:
    assert any(sentence in fault for fault in consistency.faults(MESSAGES, changed, EXAMPLES))


def _faults_of(changed: type[Event]) -> tuple[str, ...]:
    changed.__module__ = TriageRequested.__module__
    messages = [changed if message is TriageRequested else message for message in MESSAGES]
    return consistency.faults(messages, ALL, EXAMPLES)


def test_a_required_field_that_may_be_null_is_caught() -> None:
    class Nullable(TriageRequested):
        """x"""

        region: Annotated[str | None, Field(description="x")]

    assert any("`region`: the wire drops nulls" in fault for fault in _faults_of(Nullable))


def test_a_field_without_meaning_is_caught() -> None:
    class Mute(TriageRequested):
        """x"""

        hint: str | None = None

    assert any("`hint`: say in one sentence" in fault for fault in _faults_of(Mute))


def test_a_hidden_field_must_be_optional() -> None:
    class Hiding(TriageRequested):
        """x"""

        hidden: ClassVar[dict[Audience, frozenset[str]]] = {Audience.AGENCY: frozenset({"reason"})}

    assert any("`reason`: hidden from agency" in fault for fault in _faults_of(Hiding))


def test_an_example_that_no_longer_loads_is_caught() -> None:
    old = {**EXAMPLES, "triage.requested.v1": {"complaint_id": "x"}}
    assert any("no longer loads" in fault for fault in consistency.faults(MESSAGES, ALL, old))


def test_a_topic_has_an_owner_or_an_audience() -> None:
    described = _topic("complaints").model_dump()
    with pytest.raises(ValidationError, match="either an owner or an audience"):
        Topic.model_validate({**described, "owner": None})
    with pytest.raises(ValidationError, match="only its owner writes"):
        Topic.model_validate({**described, "writers": ("intake", "routing")})


def test_names_and_settings_of_the_topics_in_kafka() -> None:
    assert _topic("agency_replies").names(["dot", "hpd"]) == ("amanah.agency.dot.replies", "amanah.agency.hpd.replies")
    assert _topic("cases").names(["dot"]) == ("amanah.cases",)
    for topic in ALL:
        assert topic.config["message.timestamp.type"] == "LogAppendTime"
        assert topic.config["compression.type"] == "uncompressed"
        assert topic.config["max.message.bytes"] == "1048588"


@pytest.mark.parametrize("name", SERVICES)
def test_readers_are_those_whose_tables_say_so(name: str) -> None:
    """The flow picture is drawn from the topic files; this makes it the truth about the code."""
    service = importlib.import_module(f"amanah_{name}.app").SERVICE
    read = {topic.topic for topic in ALL if name in topic.readers and not topic.per_agency}
    assert read == set(service.topics())
    assert (name in _topic("agency_replies").readers) == bool(service.orders)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_produces_what_it_owns(name: str) -> None:
    service = importlib.import_module(f"amanah_{name}.app").SERVICE
    owned = {listed for topic in ALL if topic.owner == name for listed in topic.types}
    assert {event.type() for event in service.produces} <= owned
