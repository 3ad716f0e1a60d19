"""Time series as columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import strawberry

from backend.graphql.context import Info
from backend.graphql.enums import Statistic, Window
from backend.graphql.fields import NOT_GIVEN, given, optional_id, query, selects
from backend.graphql.scalars import Float64Array, Int64Array, TimeNs, floats, milliseconds
from backend.queries.series import SeriesColumns, SeriesRequest, WindowChoice

DEFAULT_MAX_POINTS = 2000


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
    unit: str = strawberry.field(description="Unit of the values, as the description spells it.")
    window: Window = strawberry.field(description="The window that was read; never AUTO.")
    step_seconds: float | None = strawberry.field(
        description="Seconds from point to point: the window, or a multiple where neighbours were merged to respect "
        "maxPoints; null for raw readings."
    )
    timestamps: Int64Array = strawberry.field(
        description="Start of each window, or time of each reading, in ms since the epoch; oldest first."
    )
    values: Float64Array = strawberry.field(description="Raw value, or mean of the window; null in a gap.")
    mean: Float64Array | None = strawberry.field(description="Mean of each window.")
    min: Float64Array | None = strawberry.field(description="Least value of each window.")
    max: Float64Array | None = strawberry.field(description="Greatest value of each window.")
    sum: Float64Array | None = strawberry.field(description="Sum of the values of each window.")
    count: Float64Array | None = strawberry.field(
        description="How many values each window has; of a node, how many 30 s sums. Null where nothing is known."
    )
    stddev: Float64Array | None = strawberry.field(description="Sample standard deviation of each window.")
    median: Float64Array | None = strawberry.field(
        description="Median of each window; null where windows were merged, as medians do not merge."
    )
    coverage: Float64Array | None = strawberry.field(
        description="Share of the expected reports that came, 0 to 1, a window; null for raw readings."
    )


def _series(columns: SeriesColumns, wanted: Collection[Statistic]) -> Series:
    grid = columns.grid

    def column(statistic: Statistic) -> Float64Array | None:
        values = None if grid is None or statistic not in wanted else getattr(grid, statistic.value)
        return None if values is None else floats(values)

    return Series(
        sensor=optional_id(columns.sensor),
        node=optional_id(columns.node),
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


@strawberry.type
class SeriesQuery:
    @query(
        "The past of sensors and tree nodes over [from, to). Roll-ups end at the newest complete window; "
        "a window or a stretch without readings is null, never zero."
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
        window: Annotated[
            Window | None, strawberry.argument(description="How finely to read.")
        ] = Window.AUTO,
        max_points: Annotated[
            int | None,
            strawberry.argument(
                description="Most points a series may have. Raw readings are thinned by MinMaxLTTB, "
                "windows are merged exactly."
            ),
        ] = DEFAULT_MAX_POINTS,
        statistics: Annotated[
            list[Statistic] | None, strawberry.argument(description="Which statistics to answer.")
        ] = [Statistic.MEAN],  # noqa: B006
    ) -> list[Series]:
        wanted = frozenset(statistics or ())
        request = SeriesRequest(
            sensors=list(dict.fromkeys(sensors or ())),
            nodes=list(dict.fromkeys(nodes or ())),
            start_ns=from_,
            end_ns=given(to),
            window=WindowChoice((window or Window.AUTO).value),
            max_points=DEFAULT_MAX_POINTS if max_points is None else max_points,
            statistics=[*(s.value for s in wanted), *(["coverage"] if selects(info, "coverage") else [])],
        )
        return [_series(columns, wanted) for columns in await info.context.queries.series.read(request)]
