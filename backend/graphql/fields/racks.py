"""Racks, their equipment and their temperature probes."""

from __future__ import annotations

import strawberry

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.enums import RackSide
from backend.graphql.execution.rules import LONG_LIST, Arguments, Cost, Sizes, rules
from backend.graphql.field import query
from backend.queries.labels import Labels
from backend.queries.racks import RackState


def _racks(arguments: Arguments, sizes: Sizes) -> int:
    return max(1, sizes.racks)


@strawberry.type(description="A server or a switch in a rack.")
class RackEquipment:
    name: str = strawberry.field(description="Name of the equipment.")
    type: str = strawberry.field(description="`compute` or `switch`.")
    position: int = strawberry.field(description="Position in U, 1 at the bottom.")
    wattmeters: list[strawberry.ID] = strawberry.field(
        description="Names of the sensors that measure its power, in W."
    )
    wattmeter_labels: list[str] = strawberry.field(description="Labels of its wattmeters, in the same order.")
    watts: float | None = strawberry.field(
        description="Sum over its reporting wattmeters in W: a lower bound if some do not report. Null if none reports."
    )
    wattmeters_reporting: int = strawberry.field(description="Number of its wattmeters that report.")


@strawberry.type(description="A temperature probe of a rack.")
class RackProbe:
    sensor: strawberry.ID = strawberry.field(description="Name of the sensor.")
    sensor_label: str = strawberry.field(description="Label of the sensor.")
    side: RackSide = strawberry.field(description="The side of the rack.")
    position: int = strawberry.field(description="Position in U, 1 at the bottom.")
    servers: list[str] = strawberry.field(description="Names of the servers at the probe.")
    celsius: float | None = strawberry.field(description="Temperature in °C; null while the probe is silent.")
    age_seconds: float | None = strawberry.field(
        description="Seconds since its last reading; null if it never reported."
    )


@strawberry.type(description="A rack.")
class Rack:
    id: strawberry.ID = strawberry.field(description="Name, such as Z1.1.")
    units: int = strawberry.field(description="Height of the rack in U.")
    equipment: list[RackEquipment] = strawberry.field(
        description="Equipment, from top to bottom.", metadata=rules(cost=LONG_LIST)
    )
    probes: list[RackProbe] = strawberry.field(
        description="Its temperature probes.", metadata=rules(cost=LONG_LIST)
    )


def to_rack(rack: RackState, labels: Labels) -> Rack:
    return Rack(
        id=strawberry.ID(rack.id),
        units=rack.units,
        equipment=[
            RackEquipment(
                name=e.name,
                type=e.type,
                position=e.position,
                wattmeters=[strawberry.ID(m) for m in e.wattmeters],
                wattmeter_labels=labels.sensors(e.wattmeters),
                watts=e.watts,
                wattmeters_reporting=e.reporting,
            )
            for e in rack.equipment
        ],
        probes=[
            RackProbe(
                sensor=strawberry.ID(p.sensor),
                sensor_label=labels.sensor(p.sensor),
                side=RackSide(p.side),
                position=p.position,
                servers=list(p.servers),
                celsius=p.celsius,
                age_seconds=p.age_s,
            )
            for p in rack.probes
        ],
    )


@strawberry.type
class RackQuery:
    @query("All racks with their last values.", right=Right.READ, cost=Cost(members=_racks))
    def racks(self, info: Info) -> list[Rack]:
        queries = info.context.queries
        return [to_rack(rack, queries.labels) for rack in queries.racks.racks()]
