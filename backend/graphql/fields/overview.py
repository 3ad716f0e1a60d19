"""The figures of the overview page."""

from __future__ import annotations

import strawberry

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.rules import READS_RANGE
from backend.graphql.field import query
from backend.graphql.scalars import Float64Array, Int64Array, TimeNs, floats, milliseconds
from backend.queries import overview as figures
from backend.queries.history import TrendLine


@strawberry.type(description="The recent history of a figure on a regular grid.")
class Sparkline:
    timestamps: Int64Array = strawberry.field(description="Start of each window, in ms since the epoch.")
    values: Float64Array = strawberry.field(
        description="Mean of each window, in the figure's unit; null in a gap."
    )


@strawberry.type(description="A figure, with its coverage.")
class Figure:
    value: float | None = strawberry.field(description="The value in its unit; null if it is withheld.")
    unit: str = strawberry.field(description="Unit of the value; empty for a ratio.")
    coverage: float = strawberry.field(
        description="Share of the expected data that is known, 0 to 1: of the sensors now; for PUE, of the week."
    )
    sensors_expected: int = strawberry.field(description="Number of sensors that the figure depends on.")
    sensors_reporting: int = strawberry.field(description="Number of these sensors that report now.")
    withheld: str | None = strawberry.field(
        description="The reason for a missing value, as a sentence; null if there is a value."
    )
    history: Sparkline = strawberry.field(
        description="The last hour by minutes; for PUE, the last week by hours."
    )


@strawberry.type(description="An active problem.")
class Problem:
    kind: str = strawberry.field(description="SILENT, OUT_OF_RANGE or PARTIAL.")
    message: str = strawberry.field(description="Description as a sentence.")
    sensors: list[strawberry.ID] = strawberry.field(description="Names of the affected sensors.")
    sensor_labels: list[str] = strawberry.field(
        description="Labels of the affected sensors, in the same order."
    )
    since: TimeNs | None = strawberry.field(description="Start of the problem; null if unknown.")


@strawberry.type(description="The state of the data centre in key figures.")
class Overview:
    at: TimeNs = strawberry.field(description="Time of the response.")
    consumption: Figure = strawberry.field(description="Power at the root of the consumption tree now, in W.")
    production: Figure = strawberry.field(description="Power at the root of the production tree now, in W.")
    renewable_share: Figure = strawberry.field(
        description="Production divided by consumption now, in percent."
    )
    pue: Figure = strawberry.field(
        description="Power usage effectiveness: energy of the whole data centre divided by energy of its computing "
        "equipment. It covers the hours of the last 7 days in which both are measured, and is withheld if "
        "these are too few."
    )
    inside_temperature: Figure = strawberry.field(
        description="Mean in °C of the sensors tagged inside_temperature, else of the racks' front probes."
    )
    outside_temperature: Figure = strawberry.field(
        description="Mean in °C of the sensors tagged outside_temperature."
    )
    sensors_total: int = strawberry.field(description="Number of sensors.")
    sensors_reporting: int = strawberry.field(description="Number of sensors that report now.")
    problems: list[Problem] = strawberry.field(description="Active problems; empty if there are none.")


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
    @query("The state of the data centre in key figures.", right=Right.READ, cost=READS_RANGE)
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
