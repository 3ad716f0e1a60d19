"""Spans of requests for OpenTelemetry, where SEDUCE_OTEL_ENDPOINT names a collector; nothing of it is loaded otherwise."""

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
"""What supervisors ask every few seconds is no news."""


@contextmanager
def traced(app: App, settings: Settings, service: str = "seduce") -> Iterator[App]:
    """The application, with a span a request sent over OTLP/HTTP; what still waits is sent when the block ends.

    A push does not come by here: a thousand a second come in. Raises `UserError` where the extra is not installed.
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
            f"SEDUCE_OTEL_ENDPOINT is set, and {error.name} is not installed: pip install 'seduce-dashboard[otel]'"
        ) from error
    resource = Resource.create({"service.name": service, "service.version": version("seduce-dashboard")})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=settings.otel_endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield OpenTelemetryMiddleware(
            _Named(app),
            excluded_urls=EXCLUDED,
            tracer_provider=provider,
            exclude_spans=["receive", "send"],
        )
    finally:
        provider.shutdown()


class _Named:
    """Notes the request's id in its span, so that a log line leads to the trace."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from opentelemetry import trace

        trace.get_current_span().set_attribute("seduce.request_id", request_id.get())
        await self._app(scope, receive, send)
