"""The application of a process that answers queries: routes, their access checks, and middleware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from backend.accounts.services import Accounts
from backend.core.asgi import App
from backend.graphql.execution.schema_class import Schema
from backend.graphql.schema import build_schema
from backend.graphql.transport.server import GraphQLServer
from backend.inventory.model import Inventory
from backend.metrics.exposition import CONTENT_TYPE, Collector, Metrics
from backend.processes.application import Application, Lifespan
from backend.processes.web_services import WebServices
from backend.processes.web_status import metric_collectors, readiness_checks
from backend.queries.export import ExportService
from backend.queries.measurements import MeasurementService
from backend.queries.rollup_export import RollupExportService
from backend.rest.explorer import explorer_routes
from backend.rest.export import PATH as EXPORT_PATH
from backend.rest.export import ExportEndpoint
from backend.rest.gate import Authenticate, Gate, RequestLimits
from backend.rest.headers import SecurityHeaders
from backend.rest.health import Check, health_routes
from backend.rest.metrics import metrics_route
from backend.rest.openapi import openapi_routes
from backend.rest.permissions import right_of_route
from backend.rest.reads import ReadRoutes
from backend.rest.room_plan import plan_route
from backend.rest.spa import SinglePage
from backend.settings import Settings
from crawlers.commands import Commands

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
LOOPBACK: Final = ("127.0.0.1", "localhost")


def build_web_app(
    services: WebServices,
    page: Path,
    lifespan: Lifespan,
    push_endpoints: Mapping[str, App] | None = None,
    checks: Mapping[str, Check] | None = None,
    collectors: Sequence[Collector] = (),
) -> Application:
    """Return the application; its `state.services` are `services`.

    page                  folder of the built page
    push_endpoints        by path; none in a process that accepts no readings
    checks, collectors    readiness checks and metrics beyond those of every such process
    """
    settings, endpoints = services.settings, push_endpoints or {}
    for path in endpoints:
        right_of_route(path)  # raises KeyError for a path without an access rule
    schema = build_schema(
        introspection=settings.introspection,
        only_persisted=settings.persisted_only,
        max_cost=settings.query_max_cost,
        time_limit_s=settings.query_timeout_s,
    )
    graphql = _graphql_server(services, schema)
    metrics = Metrics([*metric_collectors(services, schema), *collectors])
    routes = [
        *graphql.routes(),
        # Before the reads, whose last route takes every path below /api.
        *openapi_routes(endpoints, page, is_enabled=settings.explorer),
        *_description_routes(services),
        *explorer_routes(
            schema.as_str() if settings.introspection else None, page, is_enabled=settings.explorer
        ),
        *health_routes({**readiness_checks(services), **(checks or {})}),
        metrics_route(metrics.render, CONTENT_TYPE),
        Mount("/", SinglePage(page)),
    ]
    gated = [_gate(route, public_read=settings.public_read) for route in routes]

    async def update_description(_: Inventory, new: Inventory) -> None:
        graphql.update_description(Commands(new.commands))
        _replace_apps(gated, _description_routes(services), public_read=settings.public_read)
        schema.fan_out.restart()

    services.description.on_update(update_description)
    app = Application(endpoints, gated, lifespan, _middleware(settings, services.accounts), MAX_BODY_BYTES)
    app.state.services = services
    return app


def _graphql_server(services: WebServices, schema: Schema) -> GraphQLServer:
    settings = services.settings
    return GraphQLServer(
        schema,
        services.queries,
        explorer=settings.explorer,
        allowed_origins=[settings.origin],
        max_body=settings.query_max_kb * 1024,
        accounts=services.accounts,
        command_port=Commands(services.inventory.commands),
        public_read=settings.public_read,
    )


def _description_routes(services: WebServices) -> list[BaseRoute]:
    """Return the routes that hold parts of the site description. They are built again when it changes."""
    inventory, queries, clock = services.inventory, services.queries, services.clock
    rolled = RollupExportService(inventory, queries.sensors, queries.series, clock)
    export = ExportEndpoint(ExportService(inventory.sensors, services.store), rolled)
    measurements = MeasurementService(queries.sensors, services.store)
    reads = ReadRoutes(inventory, queries.sensors, measurements, clock)
    return [Route(EXPORT_PATH, export), plan_route(inventory.plan), *reads.routes()]


def _gate(route: BaseRoute, *, public_read: bool) -> Route | WebSocketRoute | Mount:
    """Put the check of access rights in front of a route. Raises KeyError for a path without an access rule."""
    assert isinstance(route, (Route, WebSocketRoute, Mount))
    route.app = Gate(route.app, right_of_route(route.path), public_read=public_read)
    return route


def _replace_apps(
    routes: Sequence[Route | WebSocketRoute | Mount], changed: Sequence[BaseRoute], *, public_read: bool
) -> None:
    """Make each route of a path in `changed` call the new application."""
    gated = [_gate(route, public_read=public_read) for route in changed]
    apps = {route.path: route.app for route in gated}
    for route in routes:
        route.app = apps.get(route.path, route.app)


def _middleware(settings: Settings, accounts: Accounts) -> list[Middleware]:
    outer = [
        # First: all others use the client address that a trusted proxy reports.
        Middleware(ProxyHeadersMiddleware, trusted_hosts=_split(settings.trusted_proxies)),
        Middleware(SecurityHeaders),
        Middleware(RequestLimits),
    ]
    authenticate = Middleware(
        Authenticate,
        authenticate_cookie=accounts.sign_ins.authenticate_cookie,
        authenticate_token=accounts.sign_ins.authenticate_token,
        public_url=settings.address,
    )
    hosts = _split(settings.allowed_hosts)
    if not hosts and settings.host not in LOOPBACK:
        return [*outer, authenticate]
    # DNS rebinding: a foreign page could point its own host name at this server and read it through a visitor's browser.
    names = hosts or [*LOOPBACK, urlsplit(settings.address).hostname or LOOPBACK[0]]
    return [*outer, Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False), authenticate]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
