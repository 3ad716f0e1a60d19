"""Events of sensors, and the error counters."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum
from typing import Annotated

import strawberry

from backend.core import events
from backend.core.rights import Right
from backend.graphql.arguments import After, parse_cursor
from backend.graphql.context import Info
from backend.graphql.execution.failures import InvalidInput, NotAllowed
from backend.graphql.execution.rules import COUNTED_ABOVE, page_cost, rules
from backend.graphql.field import NOT_GIVEN, member, mutation, query, subscription, value_or_none
from backend.graphql.fields.devices import SensorErrors, to_errors
from backend.graphql.fields.pages import PageInfo, page_info
from backend.graphql.scalars import TimeNs
from backend.queries.labels import Labels

DEFAULT_PAGE = 100


@strawberry.enum(description="The kind of an event.")
class EventKind(Enum):
    SILENT = member("silent", "The sensor stopped reporting.")
    BACK = member("back", "The sensor resumed reporting.")
    OUT_OF_RANGE = member("out_of_range", "The sensor reports an impossible value.")
    STUCK = member("stuck", "The sensor has reported the same value, other than 0, for hours.")


@strawberry.type(description="An event of a sensor.")
class SensorEvent:
    id: strawberry.ID = strawberry.field(
        description="Unique id; events that were detected later have larger ids."
    )
    sensor: strawberry.ID = strawberry.field(description="Name of the sensor.")
    sensor_label: str = strawberry.field(description="Label of the sensor.")
    kind: EventKind = strawberry.field(description="Kind of the event.")
    at: TimeNs = strawberry.field(description="Start by the sensor's readings, not the time of detection.")
    ended: TimeNs | None = strawberry.field(
        description="End; null while the event is ongoing. BACK has no duration."
    )
    noticed: TimeNs = strawberry.field(description="Time of detection.")
    value: float | None = strawberry.field(
        description="The reading that caused the event, in the sensor's unit; null if there is none."
    )
    message: str = strawberry.field(description="Description as a sentence.")


@strawberry.type(description="An event in a list, with its cursor.")
class SensorEventEdge:
    cursor: str = strawberry.field(
        description="Cursor of this entry: pass it as `after` to get the entries after it."
    )
    node: SensorEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of events.")
class SensorEventConnection:
    total_count: int = strawberry.field(description="Number of matching events on all pages.")
    edges: list[SensorEventEdge] = strawberry.field(
        description="The events of this page.", metadata=rules(cost=COUNTED_ABOVE)
    )
    page_info: PageInfo = strawberry.field(description="Position of this page in the list.")


@strawberry.type(description="Current events, or new and changed events.")
class SensorEventBatch:
    snapshot: bool = strawberry.field(
        description="True for the first batch, which contains all ongoing events and the newest others. False for later "
        "batches, which contain events that started or ended since."
    )
    events: list[SensorEvent] = strawberry.field(description="The events, most recently detected first.")


@strawberry.type(description="Error counters that were reset.")
class ClearedSensorErrors:
    cleared: list[SensorErrors] = strawberry.field(
        description="The counters before the reset; sensors without errors are not listed."
    )


ClearSensorErrorsResult = Annotated[
    ClearedSensorErrors | InvalidInput | NotAllowed,
    strawberry.union(
        "ClearSensorErrorsResult", description="The counters that were reset, or the reason for the failure."
    ),
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
    @query("Events of sensors, most recently detected first.", right=Right.READ, cost=page_cost(DEFAULT_PAGE))
    async def events(
        self,
        info: Info,
        sensors: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only events of these sensors. Null: all sensors."),
        ] = NOT_GIVEN,
        kinds: Annotated[
            list[EventKind] | None,
            strawberry.argument(description="Only events of these kinds. Null: all kinds."),
        ] = NOT_GIVEN,
        lasting: Annotated[
            bool | None,
            strawberry.argument(
                description="True: only ongoing events. False: only ended events. Null: both."
            ),
        ] = NOT_GIVEN,
        from_: Annotated[
            TimeNs | None,
            strawberry.argument(
                name="from", description="Only events that had not ended before this time. Null: no limit."
            ),
        ] = NOT_GIVEN,
        to: Annotated[
            TimeNs | None,
            strawberry.argument(description="Only events that started before this time. Null: no limit."),
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="Maximum number of entries, up to 1000.")
        ] = DEFAULT_PAGE,
        after: After = NOT_GIVEN,
    ) -> SensorEventConnection:
        only_sensors, only_kinds, before = (
            value_or_none(sensors),
            value_or_none(kinds),
            parse_cursor("events", value_or_none(after)),
        )
        event_filter = events.EventFilter(
            sensors=None if only_sensors is None else tuple(only_sensors),
            kinds=None if only_kinds is None else tuple(events.EventKind(kind.value) for kind in only_kinds),
            start_ns=value_or_none(from_),
            end_ns=value_or_none(to),
            lasting=value_or_none(lasting),
            before_id=before,
        )
        size = DEFAULT_PAGE if first is None else first
        queries = info.context.queries
        total, page, has_more = await queries.events.page(event_filter, size)
        edges = [
            SensorEventEdge(cursor=str(event.id), node=to_event(event, queries.labels)) for event in page
        ]
        return SensorEventConnection(
            total_count=total,
            edges=edges,
            page_info=page_info(edges, has_next=has_more, has_previous=before is not None),
        )


@strawberry.type
class EventMutation:
    @mutation("Reset error counters of sensors.", right=Right.ADMIN)
    async def clear_sensor_errors(
        self,
        info: Info,
        sensors: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Names of sensors. Null: all sensors."),
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
        "Events of sensors: the ongoing and the newest ones at once, then starts and ends, at most once a second.",
        right=Right.READ,
    )
    async def events(self, info: Info) -> AsyncGenerator[SensorEventBatch, None]:
        queries = info.context.queries
        async with aclosing(queries.events.watch()) as batches:
            async for snapshot, batch in batches:
                events = [to_event(event, queries.labels) for event in batch]
                yield SensorEventBatch(snapshot=snapshot, events=events)
