"""The floor plan."""

from __future__ import annotations

import strawberry

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.field import query


@strawberry.type(description="A row of equipment on the floor plan.")
class RoomArray:
    id: strawberry.ID = strawberry.field(description="Its id.")
    name: str = strawberry.field(description="Its name.")
    info: str = strawberry.field(description="A remark of the description; may be empty.")
    location: str = strawberry.field(description="Where it stands, in words.")
    color: str = strawberry.field(description="Its colour on the plan, as in CSS.")
    x: str = strawberry.field(description="Distance from the left of the plan, such as 82.5%.")
    y: str = strawberry.field(description="Distance from the top of the plan, such as 25%.")
    sensors: list[strawberry.ID] = strawberry.field(description="Names of its sensors.")
    sensor_labels: list[str] = strawberry.field(description="Labels of its sensors, in the same order.")


@strawberry.type(description="A picture of the room from above, to lie below what stands on it.")
class RoomPlan:
    url: str = strawberry.field(
        description="Where it is read, an SVG drawing or a PNG picture: show it as an image only."
    )
    aspect: float = strawberry.field(description="The ratio of its width to its height.")


@strawberry.type
class RoomQuery:
    @query("The picture of the room; null where the description has none.", right=Right.READ)
    def room_plan(self, info: Info) -> RoomPlan | None:
        plan = info.context.queries.racks.plan()
        # The digest makes a new picture a new address.
        return None if plan is None else RoomPlan(url=f"/room/plan?{plan.digest}", aspect=plan.aspect)

    @query("The rows of equipment on the floor plan.", right=Right.READ)
    def room_map(self, info: Info) -> list[RoomArray]:
        queries = info.context.queries
        return [
            RoomArray(
                id=strawberry.ID(a.id),
                name=a.name,
                info=a.info,
                location=a.location,
                color=a.color,
                x=a.x,
                y=a.y,
                sensors=[strawberry.ID(s) for s in a.sensors],
                sensor_labels=queries.labels.sensors(a.sensors),
            )
            for a in queries.racks.room()
        ]
