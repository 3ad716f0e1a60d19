"""The figures of the first page."""

from __future__ import annotations

import strawberry

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.rules import READS_RANGE
from backend.graphql.field import query
from backend.graphql.scalars import Float64Array, Int64Array, TimeNs, floats, milliseconds
from backend.queries import overview as figures
from backend.queries.history import TrendLine


@strawberry.type(description="The recent past of a figure on a regular grid.")
class Sparkline:
    timestamps: Int64Array = strawberry.field(description="Start of each window, in ms since the epoch.")
    values: Float64Array = strawberry.field(
        description="Mean of each window, in the figure's unit; null in a gap."
    )


@strawberry.type(description="One number with what it rests on.")
class Figure:
    value: float | None = strawberry.field(description="The number in its unit; null when it is withheld.")
    unit: str = strawberry.field(description="Unit of the value; empty for a ratio.")
    coverage: float = strawberry.field(
        description="Share of what was expected that is known, 0 to 1: of the sensors now; of PUE, of the week."
    )
    sensors_expected: int = strawberry.field(description="How many sensors it should rest on.")
    sensors_reporting: int = strawberry.field(description="How many of them report now.")
    withheld: str | None = strawberry.field(
        description="Why there is no value, as a sentence; null when there is one."
    )
    history: Sparkline = strawberry.field(
        description="The last hour by minutes; of PUE, the last week by hours."
    )


@strawberry.type(description="Something that is wrong now.")
class Problem:
    kind: str = strawberry.field(description="SILENT, OUT_OF_RANGE or PARTIAL.")
    message: str = strawberry.field(description="What is wrong, as a sentence.")
    sensors: list[strawberry.ID] = strawberry.field(description="Names of the sensors concerned.")
    sensor_labels: list[str] = strawberry.field(description="Their labels, in the same order.")
    since: TimeNs | None = strawberry.field(description="When it began; null where that is not known.")


@strawberry.type(description="The state of the data centre in a few figures.")
class Overview:
    at: TimeNs = strawberry.field(description="The moment of the answer.")
    consumption: Figure = strawberry.field(description="Root of the consumption tree now, in W.")
    production: Figure = strawberry.field(description="Root of the production tree now, in W.")
    renewable_share: Figure = strawberry.field(description="Production over consumption now, in percent.")
    pue: Figure = strawberry.field(
        description="Power usage effectiveness: energy of the whole data centre over energy of its computing equipment, "
        "over the hours of the last 7 days in which both are measured. Withheld where too little is."
    )
    inside_temperature: Figure = strawberry.field(
        description="Mean in °C of the sensors tagged inside_temperature, else of the racks' front probes."
    )
    outside_temperature: Figure = strawberry.field(
        description="Mean in °C of the sensors tagged outside_temperature."
    )
    sensors_total: int = strawberry.field(description="How many sensors there are.")
    sensors_reporting: int = strawberry.field(description="How many of them report now.")
    problems: list[Problem] = strawberry.field(description="What is wrong now; empty when all is well.")


def _line(line: TrendLine) -> Sparkline:
    return Sparkline(timestamps=milliseconds(line.times), values=floats(line.values))


def _figure(figure: figures.Figure) -> Figure:
    return Figure(
        value=figure.value,
        unit=figure.unit,
        coverage=figure.coverage,
        sensors_expected=figure.sensors_expected,
        sensors_reporting=figure.sensors_reporting,
        withheld=figure.withheld,
        history=_line(figure.line),
    )


@strawberry.type
class OverviewQuery:
    @query("The state of the data centre in a few figures.", right=Right.READ, cost=READS_RANGE)
    async def overview(self, info: Info) -> Overview:
        queries = info.context.queries
        state = await queries.overview.read()
        return Overview(
            at=TimeNs(state.at_ns),
            consumption=_figure(state.consumption),
            production=_figure(state.production),
            renewable_share=_figure(state.renewable_share),
            pue=_figure(state.pue),
            inside_temperature=_figure(state.inside_temperature),
            outside_temperature=_figure(state.outside_temperature),
            sensors_total=state.sensors_total,
            sensors_reporting=state.sensors_reporting,
            problems=[
                Problem(
                    kind=p.kind.value,
                    message=p.message,
                    sensors=[strawberry.ID(s) for s in p.sensors],
                    sensor_labels=queries.labels.sensors(p.sensors),
                    since=None if p.since_ns is None else TimeNs(p.since_ns),
                )
                for p in state.problems
            ],
        )
