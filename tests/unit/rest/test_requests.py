"""Every request has an id, in its answer, in the log and in what GraphQL masks; spans go to a collector where one is named."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette

from backend.core.logs import JsonLines, Text
from backend.processes.tracing import traced
from backend.rest.requests import RequestLog
from backend.settings import Settings
from tests.support.graphql_client import site_app
from tests.support.small_site import SmallSite

QUERY = {"query": '{ sensor(name: "fan") { name } }'}


@contextmanager
def logged(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    out, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(out), root.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield out
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1")


def broken_site() -> Starlette:
    """A site whose sensors cannot be found: an error of the program."""
    site = SmallSite()

    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    site.queries.sensors.find = fail  # type: ignore[method-assign,assignment]
    return site_app(site)


async def test_a_masked_error_its_answer_and_its_log_share_the_id() -> None:
    with logged(JsonLines()) as out:
        async with client(RequestLog(broken_site(), is_enabled=True)) as asking:
            answer = await asking.post("/graphql", json=QUERY)
    request = answer.headers["x-request-id"]
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "id": request}
    assert "secret detail" not in answer.text
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    request_lines = [line for line in lines if line.get("request") == request]
    assert [line["logger"] for line in request_lines] == ["seduce.graphql", "seduce.request"]
    assert "secret detail" in request_lines[0]["trace"]
    assert (request_lines[1]["method"], request_lines[1]["path"], request_lines[1]["status"]) == (
        "POST",
        "/graphql",
        200,
    )
    assert request_lines[1]["ms"] >= 0


async def test_a_valid_proxy_id_is_used_and_an_invalid_one_replaced() -> None:
    async with client(RequestLog(site_app(SmallSite()))) as asking:
        headers = {"X-Request-ID": "0123abcd-proxy.1"}
        assert (await asking.post("/graphql", json=QUERY, headers=headers)).headers[
            "x-request-id"
        ] == "0123abcd-proxy.1"
        for odd in ("short", "a b c d e f g h", "x" * 65, "<script>alert</script>"):
            request_id = (await asking.post("/graphql", json=QUERY, headers={"X-Request-ID": odd})).headers[
                "x-request-id"
            ]
            assert len(request_id) == 16
            assert int(request_id, 16) >= 0


async def test_a_text_line_ends_with_the_id() -> None:
    with logged(Text()) as out:
        async with client(RequestLog(broken_site())) as asking:
            answer = await asking.post("/graphql", json=QUERY)
        logging.getLogger("other").info("outside")
    assert f"[request {answer.headers['x-request-id']}]" in out.getvalue()
    assert "[request" not in out.getvalue().splitlines()[-1]


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP/HTTP receiver on loopback, and the spans that it got."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            request = ExportTraceServiceRequest.FromString(body)
            spans.extend(s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()


async def test_spans_reach_a_collector_with_the_requests_id() -> None:
    with collector() as (url, spans), traced(site_app(SmallSite()), Settings(otel_endpoint=url)) as app:
        async with client(RequestLog(app)) as asking:
            answer = await asking.post("/graphql", json=QUERY)
            await asking.get("/healthz")
    (span,) = spans
    attributes = {a.key: a.value for a in span.attributes}
    assert attributes["seduce.request_id"].string_value == answer.headers["x-request-id"]
    assert "POST" in span.name


def test_without_a_collector_nothing_is_wrapped() -> None:
    app = site_app(SmallSite())
    with traced(app, Settings()) as same:
        assert same is app


@pytest.mark.parametrize("kind", ["text", "json"])
def test_both_formats_are_settings(kind: str) -> None:
    assert Settings(log_format=kind).log_format == kind  # type: ignore[arg-type]
