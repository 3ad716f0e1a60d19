"""Time series as columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import MaxPoints, Statistics, WindowArgument
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow, Statistic
from backend.graphql.execution.rules import Arguments, Cost, Sizes, named_members, named_series
from backend.graphql.field import NOT_GIVEN, optional_id, query, selects, value_or_none
from backend.graphql.loaders import SeriesKey, SeriesRef
from backend.graphql.scalars import Float64Array, Int64Array, TimeNs, floats, milliseconds
from backend.queries.labels import Labels
from backend.queries.series import SeriesColumns, SeriesRequest, WindowChoice

DEFAULT_MAX_POINTS = 2000


def _values(arguments: Arguments, sizes: Sizes) -> int:
    """Return the values of one series: its points times its columns."""
    points = arguments.get("maxPoints")
    columns = 1 + len(arguments.get("statistics") or ())
    return max(1, DEFAULT_MAX_POINTS if points is None else points) * columns


def _values_of_all(arguments: Arguments, sizes: Sizes) -> int:
    return named_series(arguments) * _values(arguments, sizes)


SERIES_COST = Cost(reads=_values)
"""The cost of a field that answers one series."""


@strawberry.type(
    description="The time series of one sensor or tree node, as columns of equal length. Statistics are null unless "
    "`statistics` requests them, and for raw readings."
)
class Series:
    sensor: strawberry.ID | None = strawberry.field(
        description="The sensor's name; null for a node's series."
    )
    node: strawberry.ID | None = strawberry.field(
        description="The tree node's id; null for a sensor's series."
    )
    label: str = strawberry.field(description="Label of the sensor, or name of the node.")
    unit: str = strawberry.field(description="Unit of the values, as the site description spells it.")
    window: ApiWindow = strawberry.field(description="Window of the values; never AUTO.")
    step_seconds: float | None = strawberry.field(
        description="Seconds between points: the window, or a multiple if windows were merged to respect maxPoints; null "
        "for raw readings."
    )
    timestamps: Int64Array = strawberry.field(
        description="Start of each window, or time of each raw reading, in ms since the epoch; oldest first."
    )
    values: Float64Array = strawberry.field(
        description="Raw value, or mean of the window, in `unit`; null in a gap."
    )
    mean: Float64Array | None = strawberry.field(description="Mean of each window, in `unit`.")
    min: Float64Array | None = strawberry.field(description="Minimum of each window, in `unit`.")
    max: Float64Array | None = strawberry.field(description="Maximum of each window, in `unit`.")
    sum: Float64Array | None = strawberry.field(description="Sum of the values of each window, in `unit`.")
    count: Float64Array | None = strawberry.field(
        description="Number of values in each window; for a node, number of 30 s sums. Null if unknown."
    )
    stddev: Float64Array | None = strawberry.field(
        description="Sample standard deviation of each window, in `unit`."
    )
    median: Float64Array | None = strawberry.field(
        description="Median of each window, in `unit`; null where windows were merged, because medians do not merge."
    )
    coverage: Float64Array | None = strawberry.field(
        description="Share of the expected readings per window, 0 to 1; null for raw readings."
    )


def to_series(columns: SeriesColumns, selected: Collection[Statistic], labels: Labels) -> Series:
    grid = columns.grid

    def column(statistic: Statistic) -> Float64Array | None:
        values = None if grid is None or statistic not in selected else getattr(grid, statistic.value)
        return None if values is None else floats(values)

    return Series(
        sensor=optional_id(columns.sensor),
        node=optional_id(columns.node),
        label=labels.sensor_or_node(columns.sensor, columns.node),
        unit=columns.unit,
        window=ApiWindow(columns.window.value),
        step_seconds=None if grid is None else grid.step_ns / 1e9,
        timestamps=milliseconds(columns.times),
        values=floats(columns.values),
        mean=column(Statistic.MEAN),
        min=column(Statistic.MIN),
        max=column(Statistic.MAX),
        sum=column(Statistic.SUM),
        count=column(Statistic.COUNT),
        stddev=column(Statistic.STDDEV),
        median=column(Statistic.MEDIAN),
        coverage=None if grid is None or grid.coverage is None else floats(grid.coverage),
    )


def _columns(info: Info, selected: Collection[Statistic]) -> list[str]:
    """Return the names of the columns to read: the statistics, and the coverage if it is selected."""
    return [*sorted(s.value for s in selected), *(["coverage"] if selects(info, "coverage") else [])]


async def series_of(
    info: Info,
    ref: SeriesRef,
    start_ns: int,
    end_ns: int | None,
    window: ApiWindow | None,
    max_points: int | None,
    statistics: Collection[Statistic] | None,
) -> Series:
    """Return the series of one member of a list. The loader reads all members together."""
    selected = frozenset(statistics or ())
    key = SeriesKey(
        ref,
        start_ns,
        value_or_none(end_ns),
        WindowChoice((window or ApiWindow.AUTO).value),
        DEFAULT_MAX_POINTS if max_points is None else max_points,
        tuple(_columns(info, selected)),
    )
    return to_series(await info.context.loaders.series.load(key), selected, info.context.queries.labels)


@strawberry.type
class SeriesQuery:
    @query(
        "Time series of sensors and tree nodes over [from, to). Roll-ups end with the newest complete window. "
        "Gaps are null, never zero.",
        right=Right.READ,
        cost=Cost(reads=_values_of_all, members=named_members),
    )
    async def series(
        self,
        info: Info,
        from_: Annotated[
            TimeNs, strawberry.argument(name="from", description="Start of the range, included.")
        ],
        sensors: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Names of sensors.")
        ] = NOT_GIVEN,
        nodes: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Ids of nodes of either energy tree.")
        ] = NOT_GIVEN,
        to: Annotated[
            TimeNs | None, strawberry.argument(description="End of the range, not included. Null: now.")
        ] = NOT_GIVEN,
        window: WindowArgument = ApiWindow.AUTO,
        max_points: MaxPoints = DEFAULT_MAX_POINTS,
        statistics: Statistics = [Statistic.MEAN],  # noqa: B006
        aligned: Annotated[
            bool | None,
            strawberry.argument(
                description="Give all series the same timestamps: windows of one length, null where a series has no value. Raw "
                "readings cannot be aligned."
            ),
        ] = False,
    ) -> list[Series]:
        selected = frozenset(statistics or ())
        request = SeriesRequest(
            sensors=list(dict.fromkeys(sensors or ())),
            nodes=list(dict.fromkeys(nodes or ())),
            start_ns=from_,
            end_ns=value_or_none(to),
            window=WindowChoice((window or ApiWindow.AUTO).value),
            max_points=DEFAULT_MAX_POINTS if max_points is None else max_points,
            statistics=_columns(info, selected),
            aligned=bool(aligned),
        )
        queries = info.context.queries
        return [
            to_series(columns, selected, queries.labels) for columns in await queries.series.read(request)
        ]
