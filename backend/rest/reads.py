"""Read routes of the earlier public API, with the same paths, keys and shapes.

They are served below `/api` and, except the index, at the top level. `/` belongs to the page.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import orjson
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory
from backend.queries import rest_shapes
from backend.queries.measurements import MeasurementService, TooMany, UnknownSensor
from backend.queries.sensors import SensorService

PREFIX: Final = "/api"
DOCUMENT: Final = "/openapi.json"
PAGE: Final = "/api/docs"

_DATE: Final = re.compile(r"[0-9]{2}(-[0-9]{2}){4}")
_DATE_FIX: Final = "use YY-MM-DD-hh-mm in UTC, such as 26-11-23-10-00"
_HOUR_NS: Final = 3600 * NS_PER_SECOND
_LARGE: Final = 10_000

Read: TypeAlias = Callable[[Request], Awaitable[object]]


class _Name(Convertor[str]):
    """Matches any text in an address, including slashes and line breaks."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", _Name())


class _ErrorAnswer(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, where: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"where": where, "what": message, "mend": fix}}


class ReadRoutes:
    """Answers the read routes. Answers that depend only on the site description are built once."""

    def __init__(
        self, inventory: Inventory, sensors: SensorService, measurements: MeasurementService, clock: Clock
    ) -> None:
        self._sensors = sensors
        self._measurements = measurements
        self._clock = clock
        self._servers = orjson.Fragment(orjson.dumps(rest_shapes.servers(inventory)))
        self._power = orjson.Fragment(orjson.dumps(rest_shapes.nested_tree(inventory.consumption)))
        self._infrastructure = orjson.Fragment(orjson.dumps(rest_shapes.infrastructure(inventory)))

    def routes(self) -> list[BaseRoute]:
        """Return all routes, and a 404 with an explanation for every other path below the prefix."""
        reads: dict[str, Read] = {
            "/sensors": self.sensors,
            "/sensors_types": self.types,
            "/sensors_types/{sensor_type:name}/sensors": self.sensors_of_type,
            "/servers/all/sensors": self.servers,
            "/sensors/{sensor_id:name}/measurements": self.measurements,
            "/power_infrastructure/description/tree": self.power_tree,
            "/infrastructure/description/tree": self.infrastructure_tree,
        }
        below = {"": self.index, "/": self.index, **reads, "/{path:name}": self.not_found}
        return [
            *(Route(path, _endpoint(read)) for path, read in reads.items()),
            *(Route(PREFIX + path, _endpoint(read)) for path, read in below.items()),
        ]

    async def index(self, _: Request) -> object:
        return {
            "api_documentation_url": PAGE,
            "api_specification_url": DOCUMENT,
            "message": f"Read the API documentation at {PAGE}, or get the specification of the API at {DOCUMENT}",
        }

    async def sensors(self, _: Request) -> object:
        return {"sensors": [s.name for s in self._sensors.all()]}

    async def types(self, _: Request) -> object:
        return {"sensor_types": list(dict.fromkeys(t.name for t in self._sensors.types()))}

    async def sensors_of_type(self, request: Request) -> object:
        return {"sensors": [s.name for s in self._sensors.select(request.path_params["sensor_type"])]}

    async def servers(self, _: Request) -> object:
        return self._servers

    async def power_tree(self, _: Request) -> object:
        return self._power

    async def infrastructure_tree(self, _: Request) -> object:
        return self._infrastructure

    async def measurements(self, request: Request) -> object:
        """Return the readings from `start_date` (default: one hour before the end) to `end_date` (default: now)."""
        name = request.path_params["sensor_id"]
        end = _date(request, "end_date") or self._clock.now_ns() // NS_PER_SECOND * NS_PER_SECOND
        start = _date(request, "start_date") or end - _HOUR_NS
        try:
            points = await self._measurements.read(name, start, end)
        except UnknownSensor:
            message, fix = f"unknown sensor {name[:200]!r}", f"use a name of {PREFIX}/sensors"
            raise _ErrorAnswer(404, "sensor_id", message, fix) from None
        except TooMany as many:
            fix = f"shorten the interval, or download the file /export?sensors={name[:200]}"
            raise _ErrorAnswer(400, "start_date", str(many), fix) from None
        header = {
            "sensor_name": name,
            "start_date": f"{start // NS_PER_SECOND}s",
            "end_date": f"{end // NS_PER_SECOND}s",
        }
        if len(points) < _LARGE:
            return _measurements_json(header, points)
        return await asyncio.to_thread(_measurements_json, header, points)

    async def not_found(self, request: Request) -> object:
        message = f"unknown path {request.url.path[:200]!r}"
        raise _ErrorAnswer(404, "path", message, f"see {PAGE} or {DOCUMENT} for all paths")


def _measurements_json(header: dict[str, str], points: Points) -> orjson.Fragment:
    times = points.times.view("datetime64[ns]")
    answer = {**header, "timestamps": times, "values": points.values, "is_downsampled": False}
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
    return orjson.Fragment(orjson.dumps(answer, option=options))


def _date(request: Request, name: str) -> int | None:
    """Return the date as ns since the epoch, or None if the parameter is missing."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not _DATE.fullmatch(text):
        raise _ErrorAnswer(400, name, f"{text[:60]!r} is not a date", _DATE_FIX)
    try:
        moment = datetime.strptime(text, "%y-%m-%d-%H-%M").replace(tzinfo=UTC)
    except ValueError:
        raise _ErrorAnswer(400, name, f"{text!r} is not a valid date", _DATE_FIX) from None
    return int(moment.timestamp()) * NS_PER_SECOND


def _endpoint(read: Read) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return _json(await read(request), 200)
        except _ErrorAnswer as refused:
            return _json(refused.body, refused.status)
        except TransientError as error:
            body = {"error": {"where": "store", "what": str(error), "mend": "retry later"}}
            return _json(body, 503, {"Retry-After": "5"})

    return answer


def _json(data: Any, status: int, extra_headers: dict[str, str] | None = None) -> Response:
    headers = {"Cache-Control": "no-store", **(extra_headers or {})}
    return Response(orjson.dumps(data), status, headers, media_type="application/json")
