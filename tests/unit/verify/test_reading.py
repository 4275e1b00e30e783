"""What verify takes for an event and for a history, and that it shares nothing with what it judges."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amanah import project
from amanah.fault import Fault
from amanah.verify import history, records

HEADERS = [
    ("ce_type", b"deadline.breached.v1"),
    ("ce_subject", b"c1"),
    ("ce_id", b"e1"),
    ("ce_source", b"amanah/sla_monitor"),
    ("ce_sequence", b"2"),
]
AT = "2018-06-26T10:00:00Z"
BODY = {"stage": "resolution", "rule": "given", "breached_at": AT, "detected_at": AT}


class Message:
    """As confluent_kafka hands it over."""

    def __init__(self, headers: Any, value: bytes | None, key: bytes | None = b"c1") -> None:
        self._headers, self._value, self._key = headers, value, key

    def topic(self) -> str:
        return "amanah.deadlines"

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return 2, 1000

    def headers(self) -> Any:
        return self._headers

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value


def without(name: str) -> list[tuple[str, bytes]]:
    return [header for header in HEADERS if header[0] != name]


def test_an_event() -> None:
    found = records._record(Message(HEADERS, json.dumps(BODY).encode()))
    assert (found.place, found.sequence, found.body) == ("amanah.deadlines/1@7", 2, BODY)


def test_a_body_that_no_check_looks_into_is_not_read() -> None:
    headers = [("ce_type", b"case.replied.v9"), *without("ce_type")]
    assert records._record(Message(headers, b"\xff not json")).body is None


@pytest.mark.parametrize(
    "message",
    [
        Message(None, b"{}"),
        *(Message(without(name), json.dumps(BODY).encode()) for name, _ in HEADERS),
        Message([("ce_type", None), *without("ce_type")], b"{}"),
        Message([("ce_type", b"\xff"), *without("ce_type")], b"{}"),
        Message([("ce_sequence", b"two"), *without("ce_sequence")], json.dumps(BODY).encode()),
        Message(HEADERS, json.dumps(BODY).encode(), key=None),
        Message(HEADERS, json.dumps(BODY).encode(), key=b"another"),
        Message(HEADERS, None),
        Message(HEADERS, b"\xff"),
        Message(HEADERS, b"[]"),
        Message(HEADERS, b"{}"),
        Message(HEADERS, json.dumps(BODY | {"stage": None}).encode()),
        Message(HEADERS, json.dumps(BODY | {"breached_at": "soon"}).encode()),
        Message(HEADERS, json.dumps(BODY | {"detected_at": "2018-06-26T10:00:00"}).encode()),
    ],
)
def test_what_is_no_event_is_said_to_be_none(message: Message) -> None:
    with pytest.raises(records.NOT_AN_EVENT):
        records._record(message)


def test_a_history(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    filing = {"op": "file", "source_id": "s", "complaint_id": "c", "created_at": AT, "due_at": None, "closed_at": None}
    entries = [filing, {"op": "close"}, {"op": "poison", "place": "t/0@1"}, {"op": "end", "at": AT}]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    found = history.read(path)
    assert [f.source_id for f in found.filings] == ["s"]
    assert found.poisons == {"t/0@1"}
    assert found.end is not None


@pytest.mark.parametrize("line", ["{", "[]", '"op"', "{}", '{"op": "file"}', '{"op": "end", "at": "soon"}'])
def test_a_line_that_is_none_of_a_history_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"op": "close"}\n' + line + "\n")
    with pytest.raises(Fault, match=r"history\.jsonl, line 2 is not of a history"):
        history.read(path)


# -- independence ----------------------------------------------------------------------------------------------------------

SHARED = ("amanah_", "aiokafka", "faststream", "asyncpg")
"""What the services are made of: our own packages and their clients of Kafka and PostgreSQL."""


def test_verifying_loads_nothing_of_what_it_judges() -> None:
    """Not even in passing: everything that the verifier imports is loaded in a fresh process, and looked at."""
    modules = [f"amanah.verify.{path.stem}" for path in (project.ROOT / "cli/amanah/verify").glob("[!_]*.py")]
    assert len(modules) == 7
    code = f"import sys, {', '.join(modules)}; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "confluent_kafka" in loaded
    assert [name for name in loaded if name.startswith(SHARED)] == []


@pytest.mark.parametrize("path", sorted((project.ROOT / "cli/amanah/verify").glob("*.py")), ids=lambda path: path.name)
def test_verifying_names_nothing_of_what_it_judges(path: Path) -> None:
    """Neither inside a function, where an import waits for its call."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not [name for name in names if name.startswith(SHARED)], path
