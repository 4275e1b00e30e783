"""What the README for agencies shows is run here, against a Kafka client that answers from a list."""

import json
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from amanah.contracts import artefacts, headers
from amanah_contracts.agency import ReplyToCase
from amanah_contracts.routing import ComplaintRouted

README = (artefacts.home() / "README.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README, flags=re.DOTALL))
BODY = artefacts.read_examples(artefacts.home())["complaint.routed.v1"]
HEADERS = headers.example(ComplaintRouted, BODY, "routing")


class _Done(Exception):
    """Ends the endless loop of the reader."""


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands in for the client library; keeps what was committed and produced."""
    seen = SimpleNamespace(polled=[], committed=[], produced=[], subscribed=None, unconfirmed=0)

    class Consumer:
        def __init__(self, settings: dict[str, Any]) -> None:
            assert settings["enable.auto.commit"] is False

        def subscribe(self, topics: list[str]) -> None:
            seen.subscribed = topics

        def poll(self, _: float) -> Any:
            if not seen.polled:
                raise _Done
            return seen.polled.pop(0)

        def commit(self, record: Any, asynchronous: bool) -> None:
            seen.committed.append((record, asynchronous))

    class Producer:
        def __init__(self, settings: dict[str, Any]) -> None:
            assert settings["enable.idempotence"] is True

        def produce(self, topic: str, **record: Any) -> None:
            seen.produced.append((topic, record))

        def flush(self, _: float) -> int:
            return int(seen.unconfirmed)

    client = ModuleType("confluent_kafka")
    vars(client).update(Consumer=Consumer, Producer=Producer, KafkaException=RuntimeError)
    monkeypatch.setitem(sys.modules, "confluent_kafka", client)
    return seen


def _run(name: str, **given: Any) -> dict[str, Any]:
    scope = dict(given)
    exec(compile(BLOCKS[name], name, "exec"), scope)
    return scope


def _record(body: dict[str, Any]) -> SimpleNamespace:
    raw = [(name, value.encode()) for name, value in HEADERS.items()]
    return SimpleNamespace(error=lambda: None, headers=lambda: raw, value=lambda: json.dumps(body).encode())


def test_the_reader_hands_over_then_commits(kafka: SimpleNamespace) -> None:
    handled: list[Any] = []
    record = _record(BODY)
    kafka.polled = [None, record]
    with pytest.raises(_Done):
        _run("read.py", handle=lambda *event: handled.append((event, list(kafka.committed))))
    assert kafka.subscribed == ["amanah.agency.dot"]
    assert handled == [((HEADERS, BODY), [])]
    assert kafka.committed == [(record, False)]


def test_a_failing_handler_commits_nothing(kafka: SimpleNamespace) -> None:
    def fail(*_: Any) -> None:
        raise OSError

    kafka.polled = [_record(BODY)]
    with pytest.raises(OSError):  # noqa: PT011 - any
        _run("read.py", handle=fail)
    assert kafka.committed == []


def test_typed_reading() -> None:
    typed = _run("typed.py")["typed"]
    assert typed(HEADERS, json.dumps(BODY)) == ComplaintRouted.model_validate(BODY)
    assert typed({"ce_type": "complaint.routed.v9"}, "{}") is None


def test_sequence_tells_duplicate_from_gap() -> None:
    verdict = _run("sequence.py")["verdict"]
    last: dict[tuple[str, str], int] = {}
    told = [verdict(last, {**HEADERS, "ce_sequence": number}) for number in ("1", "2", "2", "1", "4", "3", "4")]
    assert told == ["next", "next", "duplicate", "duplicate", "gap", "next", "next"]


def test_the_reply_is_an_order_by_its_contract(kafka: SimpleNamespace) -> None:
    order_id = _run("reply.py")["reply"](BODY["complaint_id"], "Done.")
    ((topic, record),) = kafka.produced
    assert topic == "amanah.agency.dot.replies"
    assert record["key"] == BODY["complaint_id"]
    assert record["headers"] == {"ce_id": order_id, "ce_type": ReplyToCase.type()}
    assert set(headers.of(ReplyToCase)["required"]) <= record["headers"].keys()
    assert ReplyToCase.model_validate_json(record["value"]).reply == "Done."


def test_an_unconfirmed_reply_says_so(kafka: SimpleNamespace) -> None:
    kafka.unconfirmed = 1
    with pytest.raises(TimeoutError, match="send it again with this id"):
        _run("reply.py")["reply"](BODY["complaint_id"], "Done.")


def test_every_link_leads_somewhere() -> None:
    for page in (artefacts.home() / "README.md", *(artefacts.home() / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
