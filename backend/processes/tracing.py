"""OpenTelemetry spans of requests. The libraries are loaded only if SEDUCE_OTEL_ENDPOINT names a collector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from backend.core.asgi import App
from backend.core.errors import UserError
from backend.core.logs import request_id
from backend.settings import Settings

EXCLUDED: Final = "healthz,readyz,metrics"
"""Paths without spans: supervisors request them every few seconds."""


@contextmanager
def traced(app: App, settings: Settings, service: str = "seduce") -> Iterator[App]:
    """Yield the application with one span per request, sent over OTLP/HTTP; the end of the block sends queued spans.

    Pushes bypass it: a thousand a second arrive. Raises `UserError` if the extra `otel` is not installed.
    """
    if not settings.otel_endpoint:
        yield app
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(
            f"SEDUCE_OTEL_ENDPOINT is set, but {error.name} is not installed: pip install 'seduce-dashboard[otel]'"
        ) from error
    resource = Resource.create({"service.name": service, "service.version": version("seduce-dashboard")})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=settings.otel_endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield OpenTelemetryMiddleware(
            _RequestIdSpans(app),
            excluded_urls=EXCLUDED,
            tracer_provider=provider,
            exclude_spans=["receive", "send"],
        )
    finally:
        provider.shutdown()


class _RequestIdSpans:
    """Adds the request id to each span, so that a log line leads to its trace."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from opentelemetry import trace

        trace.get_current_span().set_attribute("seduce.request_id", request_id.get())
        await self._app(scope, receive, send)
