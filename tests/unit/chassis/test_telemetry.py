"""Traces travel by header, cost nothing when off, and a traceparent from outside must be one."""

import json
from pathlib import Path

import pytest

from amanah_chassis import telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(telemetry, "_tracer", None)
    monkeypatch.setattr(telemetry, "_provider", None)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    file = tmp_path / "traces.jsonl"
    telemetry.configure("tests", file)
    return file


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (PARENT, PARENT),
        (None, None),
        ("", None),
        (PARENT.upper(), None),
        (PARENT + "\n", None),
        (PARENT[:-1], None),
        ("x", None),
    ],
)
def test_only_a_traceparent_is_handed_on(given: str | None, kept: str | None) -> None:
    assert telemetry.checked(given) == kept
    with telemetry.span("anything", given) as handed_on:
        assert handed_on == kept


def test_off_hands_on_the_parent() -> None:
    assert not telemetry.enabled()
    assert telemetry.start("anything", PARENT) == (None, PARENT)


def test_spans_are_children_of_what_the_header_says_and_parents_of_what_follows(traces: Path) -> None:
    assert telemetry.enabled()
    with telemetry.span("outer", PARENT, topic="t") as outer:
        inner, handed_on = telemetry.start("inner", outer)
        inner.end()
    assert outer is not None
    assert outer.split("-")[1] == TRACE
    assert handed_on is not None
    assert handed_on.split("-")[1] == TRACE
    telemetry.flush()
    lines = {line["name"]: line for line in map(json.loads, traces.read_text().splitlines())}
    assert lines["outer"]["parent_id"] == "b7ad6b7169203331"
    assert lines["inner"]["parent_id"] == lines["outer"]["span_id"]
    assert {line["trace_id"] for line in lines.values()} == {TRACE}
    assert lines["outer"]["service"] == "amanah.tests"
    assert lines["outer"]["attributes"] == {"topic": "t"}


def test_the_text_of_an_error_is_not_traced(traces: Path) -> None:
    with pytest.raises(ValueError, match="s3cret"), telemetry.span("failing", PARENT):
        raise ValueError("s3cret")
    telemetry.flush()
    assert "s3cret" not in traces.read_text()
    assert "ValueError" in traces.read_text()


def test_a_delivery_without_a_trace_gets_no_span(traces: Path) -> None:
    assert telemetry.start("process", None) == (None, None)
    telemetry.flush()
    assert not traces.exists() or traces.read_text() == ""
