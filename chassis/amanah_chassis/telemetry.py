"""Traces: one from the HTTP request through Kafka's headers to the last effect. Off unless somebody collects them."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_w3c = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None
_tracer: trace.Tracer | None = None
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def configure(service: str, traces_file: Path | None) -> None:
    """Starts collecting when `OTEL_EXPORTER_OTLP_ENDPOINT` or a traces file is set; otherwise spans cost nothing."""
    global _provider, _tracer
    exporters: list[SpanExporter] = []
    if traces_file is not None:
        exporters.append(_JsonLinesExporter(traces_file))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporters.append(OTLPSpanExporter())
    if not exporters:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"amanah.{service}"}))
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    # It is not made the global one: web frameworks would find it and trace on their own account, with addresses, paths,
    # user agents and the texts of errors.
    _provider, _tracer = provider, provider.get_tracer("amanah")


def checked(traceparent: str | None) -> str | None:
    """It comes from outside and travels on, so it must be one: anything else could carry anything."""
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None


def enabled() -> bool:
    return _tracer is not None


@contextmanager
def span(name: str, parent: str | None, kind: SpanKind = SpanKind.INTERNAL, **attributes: Any) -> Iterator[str | None]:
    """A span below the W3C `traceparent` given; yields the traceparent to hand on. Off: hands on the parent itself."""
    parent = checked(parent)
    if _tracer is None:
        yield parent
        return
    context = _w3c.extract({"traceparent": parent}) if parent else None
    with _tracer.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield _traceparent(current)
        except Exception as error:
            # Its type, not its text, which may quote the data that caused it.
            current.set_status(StatusCode.ERROR)
            current.set_attribute("error.type", type(error).__name__)
            raise


def start(name: str, parent: str | None, kind: SpanKind = SpanKind.CONSUMER) -> tuple[Any, str | None]:
    """A span that the caller ends itself, for work done in batches; (None, parent) when off or without a parent."""
    if _tracer is None or parent is None:
        return None, parent
    current = _tracer.start_span(name, context=_w3c.extract({"traceparent": parent}), kind=kind)
    return current, _traceparent(current)


def _traceparent(current: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _w3c.inject(carrier, context=trace.set_span_in_context(current))
    return carrier.get("traceparent")


class _JsonLinesExporter(SpanExporter):
    """Spans to a file, one JSON object a line: for tests and for a deployment without a collector."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as out:
            for finished in spans:
                context = finished.get_span_context()
                if context is None:
                    continue
                line = {
                    "trace_id": f"{context.trace_id:032x}",
                    "span_id": f"{context.span_id:016x}",
                    "parent_id": f"{finished.parent.span_id:016x}" if finished.parent else None,
                    "name": finished.name,
                    "service": finished.resource.attributes.get("service.name"),
                    "start_ns": finished.start_time,
                    "end_ns": finished.end_time,
                    "attributes": dict(finished.attributes or {}),
                }
                out.write(json.dumps(line) + "\n")
        return SpanExportResult.SUCCESS


def flush() -> None:
    """Hands over what is buffered, at shutdown."""
    if _provider is not None:
        _provider.shutdown()
