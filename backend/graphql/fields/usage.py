"""Energy of sensors, nodes and whole trees over a range."""

from __future__ import annotations

from typing import Annotated

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import From, RootArgument, To, TreeArgument
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow, GapPolicy, Tree
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
    """Return the rows that the store reads. `window` does not count: the service limits the number of bars."""
    return ROWS_PER_RANGE * max(1, named_series(arguments))


@strawberry.type(
    description="Energy by windows, as columns of equal length. The sum is the energy of the range."
)
class EnergyBars:
    window: ApiWindow = strawberry.field(description="Window of the bars; never AUTO.")
    timestamps: Int64Array = strawberry.field(
        description="Start of each window in ms since the epoch, oldest first. Windows at the range limits count "
        "proportionally."
    )
    kwh: Float64Array = strawberry.field(
        description="Energy of each window in kWh; null if nothing was measured."
    )
    coverage: Float64Array = strawberry.field(
        description="Measured share of the part of each window inside the range, 0 to 1."
    )


@strawberry.type(
    description="Energy of one sensor or node: the integral of its power over the time with readings. A reading of a "
    "sensor counts for one period, a 30 s value of a node for 30 s. Windows at the range limits count "
    "proportionally. Gaps are not extrapolated: if coverage is below 1, the energy is a lower bound."
)
class Energy:
    sensor: strawberry.ID | None = strawberry.field(
        description="The sensor's name; null for a node's energy."
    )
    node: strawberry.ID | None = strawberry.field(
        description="The tree node's id; null for a sensor's energy."
    )
    label: str = strawberry.field(description="Label of the sensor, or name of the node.")
    from_: TimeNs = strawberry.field(name="from", description="Start of the range.")
    until: TimeNs = strawberry.field(
        description="End of the range, or end of the roll-ups if that is earlier. Later readings are not counted yet."
    )
    kwh: float | None = strawberry.field(description="Energy in kWh; null if nothing was measured.")
    mean_watts: float | None = strawberry.field(
        description="Mean power in W over the time with a value, measured or held; for a node, of the reporting sensors. "
        "Null if there is no value."
    )
    range_seconds: float = strawberry.field(description="Seconds from `from` to `until`.")
    covered_seconds: float = strawberry.field(
        description="Measured seconds of the range; for a node, times the share of its sensors that reported."
    )
    held_seconds: float = strawberry.field(
        description="Seconds over which a value was held in a gap; for a node, times the share of its sensors."
    )
    coverage: float = strawberry.field(
        description="Measured share of the range, 0 to 1. Held values do not count as measured."
    )
    gap_policy: GapPolicy = strawberry.field(description="Treatment of gaps.")
    hold_seconds: float | None = strawberry.field(
        description="Maximum hold time in seconds; null for the policy NONE."
    )
    bars: EnergyBars | None = strawberry.field(
        description="Energy by windows; null if no window was requested."
    )
    missing: list[strawberry.ID] = strawberry.field(
        description="The sensor, or the node's sensors, without any reading in the range. This field adds the cost of the "
        "energy of each of them."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )


@strawberry.type(description="A node of an energy tree with its energy over a range.")
class NodeEnergy:
    id: strawberry.ID = strawberry.field(description="Id, unique in its tree.")
    name: str = strawberry.field(description="Display name.")
    parent: strawberry.ID | None = strawberry.field(
        description="Id of the parent; null for the root of this response."
    )
    target: strawberry.ID | None = strawberry.field(
        description="The sensor of a leaf; null for an inner node."
    )
    target_label: str | None = strawberry.field(
        description="Label of the sensor of a leaf; null for an inner node."
    )
    kwh: float | None = strawberry.field(
        description="Energy of the reporting sensors in kWh: a lower bound if coverage is below 1. Null if no sensor "
        "reported."
    )
    mean_watts: float | None = strawberry.field(
        description="Mean power of the reporting sensors in W, over the time in which any reported; null if none did."
    )
    coverage: float = strawberry.field(
        description="Measured share of the range over the sensors at or below the node, 0 to 1."
    )
    sensors_expected: int = strawberry.field(description="Number of sensors at or below the node.")
    sensors_reporting: int = strawberry.field(
        description="Number of these sensors with any reading in the range."
    )
    missing: list[strawberry.ID] = strawberry.field(
        description="Names of the sensors without any reading in the range."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )


@strawberry.type(
    description="An energy tree over a range, as a flat list: link the nodes by `parent`. Gaps count nothing."
)
class EnergyTreeOver:
    from_: TimeNs = strawberry.field(name="from", description="Start of the range.")
    until: TimeNs = strawberry.field(
        description="End of the range, or end of the roll-ups if that is earlier."
    )
    nodes: list[NodeEnergy] = strawberry.field(
        description="Nodes; parents come before their children.", metadata=rules(cost=COUNTED_ABOVE)
    )


def to_energy(energy: usage.Energy, labels: Labels) -> Energy:
    bars = energy.bars
    return Energy(
        sensor=optional_id(energy.sensor),
        node=optional_id(energy.node),
        label=labels.sensor_or_node(energy.sensor, energy.node),
        from_=TimeNs(energy.range.start_ns),
        until=TimeNs(energy.range.until_ns),
        kwh=energy.kwh,
        mean_watts=energy.mean_watts,
        range_seconds=energy.range.seconds,
        covered_seconds=energy.covered_s,
        held_seconds=energy.held_s,
        coverage=energy.coverage,
        missing=[strawberry.ID(name) for name in energy.missing],
        missing_labels=labels.sensors(energy.missing),
        gap_policy=GapPolicy(energy.policy.value),
        hold_seconds=energy.hold_s,
        bars=None
        if bars is None
        else EnergyBars(
            window=ApiWindow(bars.window.value),
            timestamps=milliseconds(bars.starts),
            kwh=floats(bars.kwh),
            coverage=floats(bars.coverage),
        ),
    )


def _node(node: usage.NodeEnergy, labels: Labels) -> NodeEnergy:
    return NodeEnergy(
        id=strawberry.ID(node.id),
        name=node.name,
        parent=optional_id(node.parent),
        target=optional_id(node.target),
        target_label=labels.optional_sensor(node.target),
        kwh=node.energy.kwh,
        mean_watts=node.energy.mean_watts,
        coverage=node.energy.coverage,
        sensors_expected=node.sensors,
        sensors_reporting=node.reporting,
        missing=[strawberry.ID(name) for name in node.missing],
        missing_labels=labels.sensors(node.missing),
    )


@strawberry.type
class UsageQuery:
    @query(
        "Energy over [from, to) in kWh of sensors with a unit of power and of tree nodes, with its coverage. "
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
            GapPolicy | None, strawberry.argument(description="Treatment of gaps.")
        ] = GapPolicy.NONE,
        hold_seconds: Annotated[
            float | None,
            strawberry.argument(description="Maximum hold time in seconds for the policy HOLD, up to a day."),
        ] = DEFAULT_HOLD_SECONDS,
        window: Annotated[
            ApiWindow | None,
            strawberry.argument(
                description="Also return the energy by windows. AUTO is the coarsest window that gives 24 bars. Null: the whole "
                "range only."
            ),
        ] = NOT_GIVEN,
    ) -> list[Energy]:
        bar_window = value_or_none(window)
        request = usage.EnergyRequest(
            sensors=list(dict.fromkeys(sensors or ())),
            nodes=list(dict.fromkeys(nodes or ())),
            start_ns=from_,
            end_ns=value_or_none(to),
            policy=usage.GapPolicy((gap_policy or GapPolicy.NONE).value),
            hold_s=DEFAULT_HOLD_SECONDS if hold_seconds is None else hold_seconds,
            window=None if bar_window is None else bar_window.value,
            missing=selects(info, "missing") or selects(info, "missingLabels"),
        )
        queries = info.context.queries
        return [to_energy(energy, queries.labels) for energy in await queries.usage.read(request)]

    @query(
        "Energy of every node of a tree over [from, to), in kWh.",
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
        time_range, nodes = await queries.usage.tree(
            tree.value, value_or_none(root_id), from_, value_or_none(to)
        )
        return EnergyTreeOver(
            from_=TimeNs(time_range.start_ns),
            until=TimeNs(time_range.until_ns),
            nodes=[_node(node, queries.labels) for node in nodes],
        )
