"""Energy over a range, of sensors, nodes and whole trees."""

from __future__ import annotations

from typing import Annotated

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import From, RootArgument, To, TreeArgument
from backend.graphql.context import Info
from backend.graphql.enums import GapPolicy, Tree, Window
from backend.graphql.execution.rules import (
    COUNTED_ABOVE,
    ROWS_PER_RANGE,
    Arguments,
    Cost,
    Sizes,
    named_members,
    named_series,
    rules,
    tree_nodes,
)
from backend.graphql.field import NOT_GIVEN, optional_id, query, selects, value_or_none
from backend.graphql.scalars import Float64Array, Int64Array, TimeNs, floats, milliseconds
from backend.queries import usage
from backend.queries.labels import Labels

DEFAULT_HOLD_SECONDS = 300.0


def _rows(arguments: Arguments, sizes: Sizes) -> int:
    """Return the rows that the store reads. `window` is not counted: the service limits the number of bars."""
    return ROWS_PER_RANGE * max(1, named_series(arguments))


@strawberry.type(description="Energy by windows, as columns of equal length. They add up to the whole.")
class EnergyBars:
    window: Window = strawberry.field(description="The window of the bars; never AUTO.")
    timestamps: Int64Array = strawberry.field(
        description="Start of each window in ms since the epoch, oldest first. Of the first and the last window only "
        "what lies in the range counts."
    )
    kwh: Float64Array = strawberry.field(
        description="Energy of each window in kWh; null where nothing was measured."
    )
    coverage: Float64Array = strawberry.field(
        description="Share of each window, as far as it lies in the range, that is measured, 0 to 1."
    )


@strawberry.type(
    description="Energy of one sensor or node: the integral of its watts over the time that readings cover. A reading stands "
    "for the period in which the next one is expected; every 30 s value of a node for 30 s. A window of 30 s that the "
    "range cuts counts by its share. Nothing is scaled up: where coverage is under 1, the energy is a lower bound."
)
class Energy:
    sensor: strawberry.ID | None = strawberry.field(
        description="The sensor's name; null for a node's energy."
    )
    node: strawberry.ID | None = strawberry.field(
        description="The tree node's id; null for a sensor's energy."
    )
    label: str = strawberry.field(description="Label of the sensor, or name of the node, for people.")
    from_: TimeNs = strawberry.field(name="from", description="Start of the range.")
    until: TimeNs = strawberry.field(
        description="End of the range, or of the newest 30 s window that is rolled up where that is earlier: "
        "what comes after it is not counted yet."
    )
    kwh: float | None = strawberry.field(description="Energy in kWh; null where nothing was measured.")
    mean_watts: float | None = strawberry.field(
        description="Mean in W over the time that has a value, measured or held; of a node, of the sensors that reported. "
        "Null where there is none."
    )
    range_seconds: float = strawberry.field(description="Seconds from `from` to `until`.")
    covered_seconds: float = strawberry.field(
        description="Seconds of them that are measured; of a node, times the share of its sensors that reported."
    )
    held_seconds: float = strawberry.field(
        description="Seconds for which a value was held over a gap; of a node, times the share of its sensors."
    )
    coverage: float = strawberry.field(
        description="Measured share of the range, 0 to 1. What was held is not measured."
    )
    gap_policy: GapPolicy = strawberry.field(description="What became of time that no reading covers.")
    hold_seconds: float | None = strawberry.field(
        description="For how long a value was held at most, in seconds; null for the policy NONE."
    )
    bars: EnergyBars | None = strawberry.field(
        description="The energy by windows; null where no window was asked for."
    )
    missing: list[strawberry.ID] = strawberry.field(
        description="The sensor, or the node's sensors, of which nothing was read in the whole range. Asking for it costs as "
        "much again as the energy of each of them."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )


@strawberry.type(description="A node of an energy tree with its energy over a range.")
class NodeEnergy:
    id: strawberry.ID = strawberry.field(description="Id, unique in its tree.")
    name: str = strawberry.field(description="Name for people.")
    parent: strawberry.ID | None = strawberry.field(
        description="Id of the parent; null for the root of this answer."
    )
    target: strawberry.ID | None = strawberry.field(
        description="The sensor of a leaf; null for an inner node."
    )
    target_label: str | None = strawberry.field(description="Label of that sensor; null for an inner node.")
    kwh: float | None = strawberry.field(
        description="Energy in kWh of the sensors that reported, a lower bound where coverage is under 1; "
        "null where none did."
    )
    mean_watts: float | None = strawberry.field(
        description="Mean in W of the sensors that reported, over the time in which any did; null where none did."
    )
    coverage: float = strawberry.field(
        description="Share of the range that is measured, over the sensors at or below the node, 0 to 1."
    )
    sensors_expected: int = strawberry.field(description="How many sensors are at or below the node.")
    sensors_reporting: int = strawberry.field(
        description="How many of them were read at all in the range, however rarely."
    )
    missing: list[strawberry.ID] = strawberry.field(
        description="Names of the sensors of which nothing was read in the whole range."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )


@strawberry.type(
    description="An energy tree over a range, as a flat list: link nodes by `parent`. Gaps count nothing."
)
class EnergyTreeOver:
    from_: TimeNs = strawberry.field(name="from", description="Start of the range.")
    until: TimeNs = strawberry.field(
        description="End of the range, or of the newest 30 s window that is rolled up where that is earlier."
    )
    nodes: list[NodeEnergy] = strawberry.field(
        description="Nodes, parents before children.", metadata=rules(cost=COUNTED_ABOVE)
    )


def to_energy(found: usage.Energy, labels: Labels) -> Energy:
    bars = found.bars
    return Energy(
        sensor=optional_id(found.sensor),
        node=optional_id(found.node),
        label=labels.sensor_or_node(found.sensor, found.node),
        from_=TimeNs(found.range.start_ns),
        until=TimeNs(found.range.until_ns),
        kwh=found.kwh,
        mean_watts=found.mean_watts,
        range_seconds=found.range.seconds,
        covered_seconds=found.covered_s,
        held_seconds=found.held_s,
        coverage=found.coverage,
        missing=[strawberry.ID(name) for name in found.missing],
        missing_labels=labels.sensors(found.missing),
        gap_policy=GapPolicy(found.policy.value),
        hold_seconds=found.hold_s,
        bars=None
        if bars is None
        else EnergyBars(
            window=Window(bars.window.value),
            timestamps=milliseconds(bars.starts),
            kwh=floats(bars.kwh),
            coverage=floats(bars.coverage),
        ),
    )


def _node(found: usage.NodeEnergy, labels: Labels) -> NodeEnergy:
    return NodeEnergy(
        id=strawberry.ID(found.id),
        name=found.name,
        parent=optional_id(found.parent),
        target=optional_id(found.target),
        target_label=labels.optional_sensor(found.target),
        kwh=found.energy.kwh,
        mean_watts=found.energy.mean_watts,
        coverage=found.energy.coverage,
        sensors_expected=found.sensors,
        sensors_reporting=found.reporting,
        missing=[strawberry.ID(name) for name in found.missing],
        missing_labels=labels.sensors(found.missing),
    )


@strawberry.type
class UsageQuery:
    @query(
        "Energy in kWh over [from, to) of sensors in a unit of power and of tree nodes, with what it rests on. "
        "With `window`, also by windows.",
        right=Right.READ,
        cost=Cost(reads=_rows, members=named_members),
    )
    async def energy(
        self,
        info: Info,
        from_: From,
        sensors: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Names of sensors that measure W, kW or MW."),
        ] = NOT_GIVEN,
        nodes: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Ids of nodes of either energy tree.")
        ] = NOT_GIVEN,
        to: To = NOT_GIVEN,
        gap_policy: Annotated[
            GapPolicy | None, strawberry.argument(description="What becomes of time that no reading covers.")
        ] = GapPolicy.NONE,
        hold_seconds: Annotated[
            float | None,
            strawberry.argument(
                description="With HOLD: for how long a value is held at most, in seconds, up to a day."
            ),
        ] = DEFAULT_HOLD_SECONDS,
        window: Annotated[
            Window | None,
            strawberry.argument(
                description="Also answer the energy of each such window; AUTO is the coarsest that gives 24 bars. "
                "Null asks for the whole range alone."
            ),
        ] = NOT_GIVEN,
    ) -> list[Energy]:
        chosen = value_or_none(window)
        request = usage.EnergyRequest(
            sensors=list(dict.fromkeys(sensors or ())),
            nodes=list(dict.fromkeys(nodes or ())),
            start_ns=from_,
            end_ns=value_or_none(to),
            policy=usage.GapPolicy((gap_policy or GapPolicy.NONE).value),
            hold_s=DEFAULT_HOLD_SECONDS if hold_seconds is None else hold_seconds,
            window=None if chosen is None else chosen.value,
            missing=selects(info, "missing") or selects(info, "missingLabels"),
        )
        queries = info.context.queries
        return [to_energy(found, queries.labels) for found in await queries.usage.read(request)]

    @query(
        "What every node of a tree drew or gave over [from, to), in kWh.",
        right=Right.READ,
        cost=Cost(reads=ROWS_PER_RANGE, members=tree_nodes),
    )
    async def energy_tree_over(
        self,
        info: Info,
        from_: From,
        tree: TreeArgument = Tree.CONSUMPTION,
        root_id: RootArgument = NOT_GIVEN,
        to: To = NOT_GIVEN,
    ) -> EnergyTreeOver:
        queries = info.context.queries
        asked, nodes = await queries.usage.tree(tree.value, value_or_none(root_id), from_, value_or_none(to))
        return EnergyTreeOver(
            from_=TimeNs(asked.start_ns),
            until=TimeNs(asked.until_ns),
            nodes=[_node(node, queries.labels) for node in nodes],
        )
