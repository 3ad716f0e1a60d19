"""Sensors and their latest readings."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import strawberry

from backend.core.errors import UserError
from backend.core.quantity import watts_per
from backend.core.rights import Right
from backend.graphql.arguments import After, From, MaxPoints, Statistics, To, WindowArgument
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow, RackSide, Statistic
from backend.graphql.execution.rules import COUNTED_ABOVE, READS_RANGE, Arguments, Cost, Sizes, rules
from backend.graphql.field import NOT_GIVEN, query, resolver, value_or_none
from backend.graphql.fields.pages import PageInfo, page_info
from backend.graphql.fields.series import DEFAULT_MAX_POINTS, SERIES_COST, Series, series_of
from backend.graphql.fields.usage import Energy, to_energy
from backend.graphql.loaders import EnergyKey, SeriesRef
from backend.graphql.scalars import TimeNs
from backend.inventory import model
from backend.queries import sensors
from backend.queries.sensors import SensorPage, SensorService

DEFAULT_PAGE = 100


def _page(arguments: Arguments, sizes: Sizes) -> int:
    """Return the members of a page of sensors."""
    first = arguments.get("first")
    return max(1, min(DEFAULT_PAGE if first is None else first, sizes.sensors))


@strawberry.type(description="The newest reading of a sensor.")
class Latest:
    time: TimeNs = strawberry.field(description="Time of the reading.")
    value: float = strawberry.field(description="The value, in the sensor's unit.")
    age_seconds: float = strawberry.field(description="Seconds since the reading.")
    stale: bool = strawberry.field(
        description="True if the reading is older than SEDUCE_LIVE_MAX_AGE_S and older than five periods. The sensor then does "
        "not count as reporting."
    )


@strawberry.type(description="The position of a probe in a rack.")
class SensorPlace:
    rack: strawberry.ID = strawberry.field(description="Id of the rack.")
    side: RackSide = strawberry.field(description="The side of the rack.")
    position: int = strawberry.field(description="Position in U, 1 at the bottom.")
    servers: list[str] = strawberry.field(description="Names of the servers at the probe.")


@strawberry.type(
    description="A sensor of the site description, or a probe that reports without being described."
)
class Sensor:
    name: strawberry.ID = strawberry.field(description="Unique name.")
    label: str = strawberry.field(
        description="Unique display name, such as `Z1.1 U30 back, ecotype-38`. The site description may set it."
    )
    type: str = strawberry.field(description="Measured quantity, such as wattmeter or temperature.")
    unit: str = strawberry.field(description="Unit of the values, as the site description spells it.")
    location: str = strawberry.field(description="Location: a server, a room or a device.")
    method: str = strawberry.field(description="Protocol: snmp, modbus, socomec, flukso or temperature_push.")
    parent: str | None = strawberry.field(description="The device of the sensor; null if unknown.")
    tags: list[str] = strawberry.field(description="Tags in the site description.")
    info: str = strawberry.field(description="Note in the site description; may be empty.")
    period_seconds: float = strawberry.field(description="Expected seconds between two readings.")
    latest: Latest | None = strawberry.field(description="The newest reading; null if it never reported.")
    rack: SensorPlace | None = strawberry.field(
        description="Position in a rack; null if it is not in a rack."
    )

    @resolver(
        "Time series over [from, to), as the query `series` returns it. The series of many sensors are read "
        "together.",
        cost=SERIES_COST,
    )
    async def series(
        self,
        info: Info,
        from_: From,
        to: To = NOT_GIVEN,
        window: WindowArgument = ApiWindow.AUTO,
        max_points: MaxPoints = DEFAULT_MAX_POINTS,
        statistics: Statistics = [Statistic.MEAN],  # noqa: B006
    ) -> Series:
        return await series_of(info, SeriesRef(self.name), from_, to, window, max_points, statistics)

    @resolver(
        "Energy over [from, to) in kWh, as the query `energy` returns it; null if the unit is not one of power.",
        cost=READS_RANGE,
    )
    async def energy(self, info: Info, from_: From, to: To = NOT_GIVEN) -> Energy | None:
        if watts_per(self.unit) is None:
            return None
        energy = await info.context.loaders.energy.load(
            EnergyKey(SeriesRef(self.name), from_, value_or_none(to))
        )
        return to_energy(energy, info.context.queries.labels)


@strawberry.type(description="A sensor in a list, with its cursor.")
class SensorEdge:
    cursor: str = strawberry.field(
        description="Cursor of this entry: pass it as `after` to get the entries after it."
    )
    node: Sensor = strawberry.field(description="The sensor.")


@strawberry.type(description="A page of sensors.")
class SensorConnection:
    total_count: int = strawberry.field(description="Number of matching sensors on all pages.")
    edges: list[SensorEdge] = strawberry.field(
        description="The sensors of this page.", metadata=rules(cost=COUNTED_ABOVE)
    )
    page_info: PageInfo = strawberry.field(description="Position of this page in the list.")


@strawberry.type(description="A type of sensor with its unit.")
class SensorType:
    name: str = strawberry.field(description="Name of the type.")
    unit: str = strawberry.field(description="Unit of the values, as the site description spells it.")
    count: int = strawberry.field(description="Number of sensors of this type and unit.")


def encode_cursor(name: str) -> str:
    """Return the cursor of a sensor."""
    return base64.urlsafe_b64encode(f"sensor:{name}".encode()).decode()


def decode_cursor(cursor: str) -> str:
    """Return the name in a cursor. Raises `UserError` if it is not a cursor of this API."""
    try:
        kind, _, name = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
    except (binascii.Error, ValueError):
        kind, name = "", ""
    if kind != "sensor":
        raise UserError(
            f"sensors(after: {cursor[:60]!r}) is not a cursor: use `pageInfo.endCursor` of a page.",
            path=("after",),
        )
    return name


def to_latest(latest: sensors.Latest) -> Latest:
    return Latest(
        time=TimeNs(latest.time_ns), value=latest.value, age_seconds=latest.age_s, stale=latest.stale
    )


def to_place(probe: model.Probe) -> SensorPlace:
    return SensorPlace(
        rack=strawberry.ID(probe.rack),
        side=RackSide(probe.side),
        position=probe.position,
        servers=list(probe.servers),
    )


def to_sensor(sensor: model.Sensor, service: SensorService) -> Sensor:
    latest = service.latest(sensor.name)
    probe = service.probes.get(sensor.name)
    return Sensor(
        name=strawberry.ID(sensor.name),
        label=sensor.label,
        type=sensor.sensor_type,
        unit=sensor.unit,
        location=sensor.location,
        method=sensor.method,
        parent=sensor.parent,
        tags=list(sensor.tags),
        info=sensor.info,
        period_seconds=sensor.poll_s,
        latest=None if latest is None else to_latest(latest),
        rack=None if probe is None else to_place(probe),
    )


def _connection(page: SensorPage, service: SensorService) -> SensorConnection:
    edges = [SensorEdge(cursor=encode_cursor(s.name), node=to_sensor(s, service)) for s in page.sensors]
    return SensorConnection(
        total_count=page.total,
        edges=edges,
        page_info=page_info(edges, has_next=page.has_next, has_previous=page.has_previous),
    )


@strawberry.type
class SensorQuery:
    @query(
        "Sensors that match all filters, in the order of the site description.",
        right=Right.READ,
        cost=Cost(members=_page),
    )
    def sensors(
        self,
        info: Info,
        type: Annotated[
            str | None, strawberry.argument(description="Only sensors of this type, such as wattmeter.")
        ] = NOT_GIVEN,
        method: Annotated[
            str | None, strawberry.argument(description="Only sensors with this protocol, such as snmp.")
        ] = NOT_GIVEN,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Words that must all be in label, name, type, location, parent or a tag."
            ),
        ] = NOT_GIVEN,
        names: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only sensors with these names. Unknown names are ignored."),
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="Maximum number of entries, up to 1000.")
        ] = DEFAULT_PAGE,
        after: After = NOT_GIVEN,
    ) -> SensorConnection:
        service = info.context.queries.sensors
        matching = service.select(
            value_or_none(type), value_or_none(method), value_or_none(search), value_or_none(names)
        )
        size = DEFAULT_PAGE if first is None else first
        return _connection(service.page(matching, size, decode_cursor(after) if after else None), service)

    @query("One sensor by its name; null if it does not exist.", right=Right.READ)
    def sensor(
        self, info: Info, name: Annotated[strawberry.ID, strawberry.argument(description="Its unique name.")]
    ) -> Sensor | None:
        service = info.context.queries.sensors
        sensor = service.find(name)
        return None if sensor is None else to_sensor(sensor, service)

    @query("All types of sensors, with unit and number of sensors.", right=Right.READ)
    def sensor_types(self, info: Info) -> list[SensorType]:
        return [
            SensorType(name=t.name, unit=t.unit, count=t.count) for t in info.context.queries.sensors.types()
        ]
