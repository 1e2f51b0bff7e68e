"""OpenTelemetry spans: one for an answer, one for each stage of its path; sent only where the settings say so.

A span holds names, times and counts. What people say, whom it is for and what prompts hold never enters one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from agent.errors import ConfigError
from agent.observe.sections import OtelSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

TRACES = "/v1/traces"
Fact = str | int | float | bool | tuple[str, ...]


class Spans:
    """The spans of one answer: a watcher of its stages. `ended` closes the outer one."""

    def __init__(self, tracer: Any, name: str, parent: Any = None) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._outer = tracer.start_span(name, context=parent)
        self._within = set_span_in_context(self._outer)

    def stage(self, name: str, source: str, ms: float) -> None:
        """See `Watcher.stage`."""
        now = time.time_ns()
        span = self._tracer.start_span(f"{name} {source}".strip(), context=self._within, start_time=now - int(ms * 1e6))
        span.set_attribute("palate.stage", name)
        if source:
            span.set_attribute("palate.source", source)
        span.end(end_time=now)

    def ended(self, name: str = "", facts: Mapping[str, Fact | None] | None = None) -> None:
        """Close the outer span, under a name that is known only now, with what is known of the answer."""
        if name:
            self._outer.update_name(name)
        for key, value in (facts or {}).items():
            if value is not None:
                self._outer.set_attribute(key, value)
        self._outer.end()


class Tracing:
    """Where spans go. Use it as a context: leaving it sends what is still to be sent."""

    def __init__(self, processor: SpanProcessor, service: str = "palate") -> None:
        """Raises ConfigError where OpenTelemetry is not installed."""
        trace, resources = _sdk()
        resource = resources.Resource.create({"service.name": service})
        self._provider = trace.TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("palate")

    @classmethod
    def opened(cls, settings: OtelSettings) -> Tracing | None:
        """Spans to the receiver of the settings; None where they name none. Raises ConfigError."""
        if settings.endpoint is None:
            return None
        exporter = _exporter(settings)
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        return cls(BatchSpanProcessor(exporter), settings.service)

    def answer(self, name: str, traceparent: str | None = None) -> Spans:
        """The spans of an answer that begins now, inside that of a caller who sent a W3C `traceparent`."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
        return Spans(self._tracer, name, parent)

    def close(self) -> None:
        """Send what is left. Calling it twice is harmless."""
        self._provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sdk() -> tuple[Any, Any]:
    try:
        from opentelemetry.sdk import resources, trace
    except ImportError as error:
        raise _missing() from error
    return trace, resources


def _exporter(settings: OtelSettings) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise _missing() from error
    address = str(settings.endpoint).removesuffix(TRACES) + TRACES
    return OTLPSpanExporter(endpoint=address, timeout=settings.timeout_s)


def _missing() -> ConfigError:
    return ConfigError("spans need OpenTelemetry", "Install it: pip install 'palate[otel]'")
