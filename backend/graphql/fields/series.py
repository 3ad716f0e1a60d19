"""Time series as columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import MaxPoints, Statistics, WindowArgument
from backend.graphql.context import Info
from backend.graphql.enums import Statistic, Window
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
    description="The past of one sensor or tree node as columns of equal length. "
    "Statistics are null unless asked for in `statistics`, and for raw readings."
)
class Series:
    sensor: strawberry.ID | None = strawberry.field(
        description="The sensor's name; null for a node's series."
    )
    node: strawberry.ID | None = strawberry.field(
        description="The tree node's id; null for a sensor's series."
    )
    label: str = strawberry.field(description="Label of the sensor, or name of the node, for people.")
    unit: str = strawberry.field(description="Unit of the values, as the description spells it.")
    window: Window = strawberry.field(description="The window that was read; never AUTO.")
    step_seconds: float | None = strawberry.field(
        description="Seconds from point to point: the window, or a multiple where neighbours were merged to respect "
        "maxPoints; null for raw readings."
    )
    timestamps: Int64Array = strawberry.field(
        description="Start of each window, or time of each reading, in ms since the epoch; oldest first."
    )
    values: Float64Array = strawberry.field(
        description="Raw value, or mean of the window, in `unit`; null in a gap."
    )
    mean: Float64Array | None = strawberry.field(description="Mean of each window, in `unit`.")
    min: Float64Array | None = strawberry.field(description="Least value of each window, in `unit`.")
    max: Float64Array | None = strawberry.field(description="Greatest value of each window, in `unit`.")
    sum: Float64Array | None = strawberry.field(description="Sum of the values of each window, in `unit`.")
    count: Float64Array | None = strawberry.field(
        description="How many values each window has; of a node, how many 30 s sums. Null where nothing is known."
    )
    stddev: Float64Array | None = strawberry.field(
        description="Sample standard deviation of each window, in `unit`."
    )
    median: Float64Array | None = strawberry.field(
        description="Median of each window, in `unit`; null where windows were merged, as medians do not merge."
    )
    coverage: Float64Array | None = strawberry.field(
        description="Share of the expected reports that came, 0 to 1, a window; null for raw readings."
    )


def to_series(columns: SeriesColumns, wanted: Collection[Statistic], labels: Labels) -> Series:
    grid = columns.grid

    def column(statistic: Statistic) -> Float64Array | None:
        values = None if grid is None or statistic not in wanted else getattr(grid, statistic.value)
        return None if values is None else floats(values)

    return Series(
        sensor=optional_id(columns.sensor),
        node=optional_id(columns.node),
        label=labels.sensor_or_node(columns.sensor, columns.node),
        unit=columns.unit,
        window=Window(columns.window.value),
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


def _columns(info: Info, wanted: Collection[Statistic]) -> list[str]:
    """Names of the columns to read: what is not asked for need not be."""
    return [*sorted(s.value for s in wanted), *(["coverage"] if selects(info, "coverage") else [])]


async def series_of(
    info: Info,
    ref: SeriesRef,
    start_ns: int,
    end_ns: int | None,
    window: Window | None,
    max_points: int | None,
    statistics: Collection[Statistic] | None,
) -> Series:
    """The past of one member of a list; all members are read at once."""
    wanted = frozenset(statistics or ())
    key = SeriesKey(
        ref,
        start_ns,
        value_or_none(end_ns),
        WindowChoice((window or Window.AUTO).value),
        DEFAULT_MAX_POINTS if max_points is None else max_points,
        tuple(_columns(info, wanted)),
    )
    return to_series(await info.context.loaders.series.load(key), wanted, info.context.queries.labels)


@strawberry.type
class SeriesQuery:
    @query(
        "The past of sensors and tree nodes over [from, to). Roll-ups end at the newest complete window; "
        "a window or a stretch without readings is null, never zero.",
        right=Right.READ,
        cost=Cost(reads=_values_of_all, members=named_members),
    )
    async def series(
        self,
        info: Info,
        from_: Annotated[TimeNs, strawberry.argument(name="from", description="Start, included.")],
        sensors: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Names of sensors.")
        ] = NOT_GIVEN,
        nodes: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Ids of nodes of either energy tree.")
        ] = NOT_GIVEN,
        to: Annotated[
            TimeNs | None, strawberry.argument(description="End, not included; null is now.")
        ] = NOT_GIVEN,
        window: WindowArgument = Window.AUTO,
        max_points: MaxPoints = DEFAULT_MAX_POINTS,
        statistics: Statistics = [Statistic.MEAN],  # noqa: B006
        aligned: Annotated[
            bool | None,
            strawberry.argument(
                description="Whether all series have the same timestamps: windows of one length, null where one has nothing. "
                "Raw readings come when they come and cannot be aligned."
            ),
        ] = False,
    ) -> list[Series]:
        wanted = frozenset(statistics or ())
        request = SeriesRequest(
            sensors=list(dict.fromkeys(sensors or ())),
            nodes=list(dict.fromkeys(nodes or ())),
            start_ns=from_,
            end_ns=value_or_none(to),
            window=WindowChoice((window or Window.AUTO).value),
            max_points=DEFAULT_MAX_POINTS if max_points is None else max_points,
            statistics=_columns(info, wanted),
            aligned=bool(aligned),
        )
        queries = info.context.queries
        return [to_series(columns, wanted, queries.labels) for columns in await queries.series.read(request)]
