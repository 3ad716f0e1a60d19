"""The right that each plain route needs. An application with a route that is not in this table does not start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.core.rights import Right

_READ_PATHS: Final = (
    "/sensors",
    "/sensors_types",
    "/sensors_types/{sensor_type:name}/sensors",
    "/servers/all/sensors",
    "/sensors/{sensor_id:name}/measurements",
    "/power_infrastructure/description/tree",
    "/infrastructure/description/tree",
)

ROUTES: Final[Mapping[str, Right]] = {
    **dict.fromkeys(_READ_PATHS, Right.READ),
    "/room/plan": Right.READ,
    **{f"/api{path}": Right.READ for path in _READ_PATHS},
    # The list of the routes, and the answer 404 to all other paths below /api.
    **dict.fromkeys(("/api", "/api/", "/api/{path:name}"), Right.ANYONE),
    "/api/docs": Right.ANYONE,
    "/openapi.json": Right.ANYONE,
    "/graphql": Right.ANYONE,  # each GraphQL field declares its own right
    "/schema.graphql": Right.ANYONE,
    "/explorer/": Right.ANYONE,  # a page without data
    "/explorer": Right.ANYONE,
    "/healthz": Right.ANYONE,
    "/readyz": Right.ANYONE,
    "/metrics": Right.LOCAL,
    "/export": Right.EXPORT,
    "/ingest": Right.DEVICE,
    "/ingest/cards": Right.DEVICE,
    "/ingest/health": Right.DEVICE,
    "/temperature/list": Right.DEVICE,
    "": Right.ANYONE,  # files of the web page, without data
}
"""Rights by the path of a route, as it is declared."""

TOKEN_IN_ADDRESS: Final = frozenset({"/export"})
"""Paths that accept a token as `?token=`, for programs that load a file by its address only."""


def right_of_route(path: str) -> Right:
    """Return the right that a route needs. Raises KeyError for a route that is not in the table."""
    return ROUTES[path]
