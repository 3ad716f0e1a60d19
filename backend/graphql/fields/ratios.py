"""PUE and the renewable share over a range, by windows."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import From, To
from backend.graphql.context import Info
from backend.graphql.enums import Window
from backend.graphql.execution.rules import READS_RANGE
from backend.graphql.field import NOT_GIVEN, query, value_or_none
from backend.graphql.scalars import Float64Array, Int64Array, floats, milliseconds
from backend.queries import ratios

RatioWindow: TypeAlias = Annotated[
    Window | None,
    strawberry.argument(description="By which windows; AUTO is the coarsest that gives 24 of them."),
]


@strawberry.type(
    description="One node's power over another's by complete windows, as columns of equal length. A window of which less than "
    "the setting SEDUCE_PUE_MIN_COVERAGE is measured is withheld, and so is the value of such a range."
)
class Ratio:
    window: Window = strawberry.field(description="The window that was read; never AUTO.")
    timestamps: Int64Array = strawberry.field(
        description="Start of each window in ms since the epoch, oldest first; the newest complete one is the last."
    )
    values: Float64Array = strawberry.field(
        description="Value of each window: a ratio, or percent where the query says so; null where it is withheld."
    )
    coverage: Float64Array = strawberry.field(
        description="Share of the expected reports that came, 0 to 1, of the node that has fewer."
    )
    value: float | None = strawberry.field(
        description="Energy over energy in all windows that are not withheld: a ratio, or percent as the values; "
        "null where too little of the range is measured."
    )
    total_coverage: float = strawberry.field(
        description="Share of the range's expected reports that came, 0 to 1, of the node that has fewer."
    )
    withheld_windows: int = strawberry.field(description="How many windows are null.")
    withheld: str | None = strawberry.field(
        description="Why windows or the value are withheld, as a sentence; null where nothing is."
    )


def _ratio(found: ratios.Ratio) -> Ratio:
    return Ratio(
        window=Window(found.window.value),
        timestamps=milliseconds(found.starts),
        values=floats(found.values),
        coverage=floats(found.coverage),
        value=found.value,
        total_coverage=found.share,
        withheld_windows=found.withheld,
        withheld=found.reason,
    )


@strawberry.type
class RatioQuery:
    @query(
        "Power usage effectiveness by windows: what the whole data centre draws over what its computing equipment draws.",
        right=Right.READ,
        cost=READS_RANGE,
    )
    async def pue(
        self, info: Info, from_: From, to: To = NOT_GIVEN, window: RatioWindow = Window.AUTO
    ) -> Ratio:
        return _ratio(
            await info.context.queries.ratios.pue(from_, value_or_none(to), (window or Window.AUTO).value)
        )

    @query(
        "The renewable share by windows, in percent: what is produced over what is consumed.",
        right=Right.READ,
        cost=READS_RANGE,
    )
    async def renewable_share(
        self, info: Info, from_: From, to: To = NOT_GIVEN, window: RatioWindow = Window.AUTO
    ) -> Ratio:
        return _ratio(
            await info.context.queries.ratios.renewable_share(
                from_, value_or_none(to), (window or Window.AUTO).value
            )
        )
