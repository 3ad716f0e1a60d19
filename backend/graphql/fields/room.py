"""The floor plan."""

from __future__ import annotations

import strawberry

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.field import query


@strawberry.type(description="An equipment group on the floor plan.")
class RoomArray:
    id: strawberry.ID = strawberry.field(description="Id of the group.")
    name: str = strawberry.field(description="Name of the group.")
    info: str = strawberry.field(description="Note in the site description; may be empty.")
    location: str = strawberry.field(description="Location, in words.")
    color: str = strawberry.field(description="CSS colour on the floor plan.")
    x: str = strawberry.field(description="Distance from the left of the floor plan, such as 82.5%.")
    y: str = strawberry.field(description="Distance from the top of the floor plan, such as 25%.")
    sensors: list[strawberry.ID] = strawberry.field(description="Names of the sensors of the group.")
    sensor_labels: list[str] = strawberry.field(
        description="Labels of the sensors of the group, in the same order."
    )


@strawberry.type(description="A background picture of the room, seen from above.")
class RoomPlan:
    url: str = strawberry.field(
        description="Path of an SVG drawing or PNG picture. Show it as an image only."
    )
    aspect: float = strawberry.field(description="The ratio of width to height.")


@strawberry.type
class RoomQuery:
    @query("The picture of the room; null if the site description has none.", right=Right.READ)
    def room_plan(self, info: Info) -> RoomPlan | None:
        plan = info.context.queries.racks.plan()
        # The digest makes a new picture a new address.
        return None if plan is None else RoomPlan(url=f"/room/plan?{plan.digest}", aspect=plan.aspect)

    @query("The equipment groups on the floor plan.", right=Right.READ)
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
