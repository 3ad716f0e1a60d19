"""PUE and the renewable share over a range, by windows."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import From, To
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow
from backend.graphql.execution.rules import READS_RANGE
from backend.graphql.field import NOT_GIVEN, query, value_or_none
from backend.graphql.scalars import Float64Array, Int64Array, floats, milliseconds
from backend.queries import ratios

RatioWindow: TypeAlias = Annotated[
    ApiWindow | None,
    strawberry.argument(description="Window of the values; AUTO is the coarsest that gives 24 windows."),
]


@strawberry.type(
    description="The power of one node divided by that of another, by complete windows, as columns of equal length. A "
    "window is withheld if less than the setting SEDUCE_PUE_MIN_COVERAGE of it is measured. The same "
    "applies to the value of the whole range."
)
class Ratio:
    window: ApiWindow = strawberry.field(description="Window of the values; never AUTO.")
    timestamps: Int64Array = strawberry.field(
        description="Start of each window in ms since the epoch, oldest first. The last one is the newest complete "
        "window."
    )
    values: Float64Array = strawberry.field(
        description="Value of each window: a ratio, or percent for the renewable share; null if it is withheld."
    )
    coverage: Float64Array = strawberry.field(
        description="Share of the expected readings per window, 0 to 1, of the node with fewer readings."
    )
    value: float | None = strawberry.field(
        description="Energy divided by energy over all windows that are not withheld, in the unit of the values; null if "
        "too little of the range is measured. A ratio or percent."
    )
    total_coverage: float = strawberry.field(
        description="Share of the expected readings of the range, 0 to 1, of the node with fewer readings."
    )
    withheld_windows: int = strawberry.field(description="Number of withheld windows.")
    withheld: str | None = strawberry.field(
        description="The reason why windows or the value are withheld, as a sentence; null if nothing is."
    )


def _ratio(result: ratios.Ratio) -> Ratio:
    return Ratio(
        window=ApiWindow(result.window.value),
        timestamps=milliseconds(result.starts),
        values=floats(result.values),
        coverage=floats(result.coverage),
        value=result.value,
        total_coverage=result.share,
        withheld_windows=result.withheld,
        withheld=result.reason,
    )


@strawberry.type
class RatioQuery:
    @query(
        "Power usage effectiveness by windows: power of the whole data centre divided by power of its "
        "computing equipment.",
        right=Right.READ,
        cost=READS_RANGE,
    )
    async def pue(
        self, info: Info, from_: From, to: To = NOT_GIVEN, window: RatioWindow = ApiWindow.AUTO
    ) -> Ratio:
        return _ratio(
            await info.context.queries.ratios.pue(from_, value_or_none(to), (window or ApiWindow.AUTO).value)
        )

    @query(
        "The renewable share by windows, in percent: production divided by consumption.",
        right=Right.READ,
        cost=READS_RANGE,
    )
    async def renewable_share(
        self, info: Info, from_: From, to: To = NOT_GIVEN, window: RatioWindow = ApiWindow.AUTO
    ) -> Ratio:
        return _ratio(
            await info.context.queries.ratios.renewable_share(
                from_, value_or_none(to), (window or ApiWindow.AUTO).value
            )
        )
