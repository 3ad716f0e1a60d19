"""What befell sensors, as it is noticed, and their error counters."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum
from typing import Annotated

import strawberry

from backend.core import events
from backend.core.rights import Right
from backend.graphql.arguments import parse_cursor
from backend.graphql.context import Info
from backend.graphql.execution.failures import InvalidInput, NotAllowed
from backend.graphql.execution.rules import COUNTED_ABOVE, page_cost, rules
from backend.graphql.field import NOT_GIVEN, member, mutation, query, subscription, value_or_none
from backend.graphql.fields.devices import SensorErrors, to_errors
from backend.graphql.fields.sensors import PageInfo
from backend.graphql.scalars import TimeNs
from backend.queries.labels import Labels

DEFAULT_PAGE = 100


@strawberry.enum(description="What befell a sensor.")
class EventKind(Enum):
    SILENT = member("silent", "It stopped reporting.")
    BACK = member("back", "It was heard again after a silence.")
    OUT_OF_RANGE = member("out_of_range", "It says what cannot be true.")
    STUCK = member("stuck", "It has said the same value, and not 0, for hours.")


@strawberry.type(description="Something that befell a sensor.")
class SensorEvent:
    id: strawberry.ID = strawberry.field(description="Unique id; what was noticed later has a greater one.")
    sensor: strawberry.ID = strawberry.field(description="Name of the sensor.")
    sensor_label: str = strawberry.field(description="Label of the sensor.")
    kind: EventKind = strawberry.field(description="What befell it.")
    at: TimeNs = strawberry.field(
        description="When it began: by the sensor's readings, not when it was noticed."
    )
    ended: TimeNs | None = strawberry.field(
        description="When it ended; null while it lasts. BACK is a moment and ends when it begins."
    )
    noticed: TimeNs = strawberry.field(description="When it was noticed.")
    value: float | None = strawberry.field(
        description="The reading that told of it, in the sensor's unit; null where it is none."
    )
    message: str = strawberry.field(description="What happened, as a sentence.")


@strawberry.type(description="An event in a list, with the cursor to continue behind it.")
class SensorEventEdge:
    cursor: str = strawberry.field(description="Give it as `after` to get what follows.")
    node: SensorEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of events.")
class SensorEventConnection:
    total_count: int = strawberry.field(description="How many events match, on all pages.")
    edges: list[SensorEventEdge] = strawberry.field(
        description="The events of this page.", metadata=rules(cost=COUNTED_ABOVE)
    )
    page_info: PageInfo = strawberry.field(description="Where this page begins and ends.")


@strawberry.type(description="Events, those that matter now or what is new.")
class SensorEventBatch:
    snapshot: bool = strawberry.field(
        description="True for the first batch, which has all events that last and the newest others; false for those that "
        "began or ended since."
    )
    events: list[SensorEvent] = strawberry.field(description="The events, those noticed last first.")


@strawberry.type(description="Error counters that were set back to nothing.")
class ClearedSensorErrors:
    cleared: list[SensorErrors] = strawberry.field(
        description="What they had counted; sensors without errors are left out."
    )


ClearSensorErrorsResult = Annotated[
    ClearedSensorErrors | InvalidInput | NotAllowed,
    strawberry.union("ClearSensorErrorsResult", description="What was cleared, or why nothing was."),
]


def to_event(event: events.SensorEvent, labels: Labels) -> SensorEvent:
    return SensorEvent(
        id=strawberry.ID(str(event.id)),
        sensor=strawberry.ID(event.sensor),
        sensor_label=labels.sensor(event.sensor),
        kind=EventKind(event.kind.value),
        at=TimeNs(event.at_ns),
        ended=None if event.ended_ns is None else TimeNs(event.ended_ns),
        noticed=TimeNs(event.noticed_ns),
        value=event.value,
        message=event.message,
    )


@strawberry.type
class EventQuery:
    @query("What befell sensors, noticed last first.", right=Right.READ, cost=page_cost(DEFAULT_PAGE))
    async def events(
        self,
        info: Info,
        sensors: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Only of these sensors; null is any.")
        ] = NOT_GIVEN,
        kinds: Annotated[
            list[EventKind] | None, strawberry.argument(description="Only of these kinds; null is any.")
        ] = NOT_GIVEN,
        lasting: Annotated[
            bool | None,
            strawberry.argument(description="Only those that last, or only those that ended; null is both."),
        ] = NOT_GIVEN,
        from_: Annotated[
            TimeNs | None,
            strawberry.argument(
                name="from", description="Only those that had not ended before; null is any."
            ),
        ] = NOT_GIVEN,
        to: Annotated[
            TimeNs | None, strawberry.argument(description="Only those that began before; null is any.")
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="How many to answer, at most 1000.")
        ] = DEFAULT_PAGE,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor: answer what follows it.")
        ] = NOT_GIVEN,
    ) -> SensorEventConnection:
        named, wanted, before = (
            value_or_none(sensors),
            value_or_none(kinds),
            parse_cursor("events", value_or_none(after)),
        )
        chosen = events.EventFilter(
            sensors=None if named is None else tuple(named),
            kinds=None if wanted is None else tuple(events.EventKind(kind.value) for kind in wanted),
            start_ns=value_or_none(from_),
            end_ns=value_or_none(to),
            lasting=value_or_none(lasting),
            before_id=before,
        )
        size = DEFAULT_PAGE if first is None else first
        queries = info.context.queries
        total, found, more = await queries.events.page(chosen, size)
        edges = [
            SensorEventEdge(cursor=str(event.id), node=to_event(event, queries.labels)) for event in found
        ]
        return SensorEventConnection(
            total_count=total,
            edges=edges,
            page_info=PageInfo(
                has_next_page=more,
                has_previous_page=before is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )


@strawberry.type
class EventMutation:
    @mutation("Set error counters of sensors back to nothing.", right=Right.ADMIN)
    async def clear_sensor_errors(
        self,
        info: Info,
        sensors: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Of these sensors; null is all.")
        ] = NOT_GIVEN,
    ) -> ClearSensorErrorsResult:
        await info.context.audit_correction(
            "clearSensorErrors", ", ".join(value_or_none(sensors) or ("all",))
        )
        queries = info.context.queries
        cleared = await queries.events.clear_errors(value_or_none(sensors))
        return ClearedSensorErrors(cleared=[to_errors(errors, queries.labels) for errors in cleared])


@strawberry.type
class EventSubscription:
    @subscription(
        "Events of sensors: those that matter now at once, then what begins or ends, at most once a second.",
        right=Right.READ,
    )
    async def events(self, info: Info) -> AsyncGenerator[SensorEventBatch, None]:
        queries = info.context.queries
        async with aclosing(queries.events.watch()) as batches:
            async for snapshot, found in batches:
                events = [to_event(event, queries.labels) for event in found]
                yield SensorEventBatch(snapshot=snapshot, events=events)
