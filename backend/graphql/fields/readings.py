"""The subscription to live readings."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.fanout import replaces_missed
from backend.graphql.execution.rules import Arguments, Cost, Sizes
from backend.graphql.field import NOT_GIVEN, subscription, value_or_none
from backend.graphql.scalars import Float64Array, Int64Array, floats, milliseconds
from backend.queries.subscriptions import watch_readings


def _snapshot_values(arguments: Arguments, sizes: Sizes) -> int:
    """Return the values of a snapshot: name, time and value of every sensor."""
    return 3 * sizes.sensors


@strawberry.type(description="Readings as columns: row i is one reading of sensors[i].")
class ReadingBatch:
    snapshot: bool = strawberry.field(
        description="True for a snapshot: the newest reading of every sensor, at the start and after a gap. False for "
        "readings that arrived since."
    )
    gap: bool = strawberry.field(
        description="True for a snapshot that replaces readings which this client did not receive: the live bus was "
        "unavailable, or the client was too slow. The query `series` has these readings."
    )
    sensors: list[strawberry.ID] = strawberry.field(description="Name of the sensor of each row.")
    timestamps: Int64Array = strawberry.field(description="Time of each row, in ms since the epoch.")
    values: Float64Array = strawberry.field(description="Value of each row, in the sensor's unit.")


@strawberry.type
class ReadingSubscription:
    @subscription(
        "The newest readings at once, then readings as they arrive. A client that falls behind gets the "
        "newest reading of each sensor instead of a growing queue.",
        right=Right.READ,
        cost=Cost(reads=_snapshot_values),
    )
    async def readings(
        self,
        info: Info,
        sensors: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Only readings of these sensors.")
        ] = NOT_GIVEN,
        types: Annotated[
            list[str] | None, strawberry.argument(description="Only readings of sensors of these types.")
        ] = NOT_GIVEN,
    ) -> AsyncGenerator[ReadingBatch, None]:
        queries = info.context.queries
        source = watch_readings(
            queries.sensors, queries.live, queries.bus, value_or_none(sensors), value_or_none(types)
        )
        replaces = (
            replaces_missed.get()
        )  # the first snapshot replaces nothing, except for a subscriber that fell behind
        async with aclosing(source) as batches:
            async for snapshot, rows in batches:
                names = rows.names
                gap, replaces = snapshot and replaces, True
                yield ReadingBatch(
                    snapshot=snapshot,
                    gap=gap,
                    sensors=[names[code] for code in rows.codes.tolist()],
                    timestamps=milliseconds(rows.times),
                    values=floats(rows.values),
                )
