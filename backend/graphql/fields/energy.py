"""The energy trees, as queries and as a subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Annotated

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import (
    From,
    MaxPoints,
    RootArgument,
    Statistics,
    To,
    TreeArgument,
    WindowArgument,
)
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow, Statistic, Tree
from backend.graphql.execution.rules import COUNTED_ABOVE, READS_RANGE, Cost, rules, tree_nodes
from backend.graphql.field import NOT_GIVEN, query, resolver, selects, subscription, value_or_none
from backend.graphql.fields.balance import Balance, to_balance
from backend.graphql.fields.series import DEFAULT_MAX_POINTS, SERIES_COST, Series, series_of
from backend.graphql.fields.usage import Energy, to_energy
from backend.graphql.loaders import BalanceKey, EnergyKey, SeriesRef
from backend.graphql.scalars import TimeNs
from backend.queries.energy import NodeState, TreeState
from backend.queries.labels import Labels
from backend.queries.subscriptions import watch_tree


@strawberry.type(
    description="A node of an energy tree with the sum over its sensors: those at or below the node."
)
class EnergyNode:
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
    watts: float | None = strawberry.field(
        description="Sum over the reporting sensors in W: a lower bound if coverage is below 1. Null if no sensor "
        "reports."
    )
    coverage: float = strawberry.field(description="Share of the sensors that report, 0 to 1.")
    sensors_expected: int = strawberry.field(description="Number of sensors at or below the node.")
    sensors_reporting: int = strawberry.field(description="Number of these sensors that report.")
    missing: list[strawberry.ID] = strawberry.field(description="Names of the sensors that do not report.")
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )
    missing_children: list[strawberry.ID] = strawberry.field(
        description="Ids of the children without any reporting sensor. The sum does not contain them."
    )
    moment: strawberry.Private[int | None] = None
    has_meter: strawberry.Private[bool] = False

    @resolver(
        "Time series of the node over [from, to) in W, as the query `series` returns it. The series of many "
        "nodes are read together.",
        cost=SERIES_COST,
    )
    async def series(
        self,
        info: Info,
        from_: From,
        to: To = NOT_GIVEN,
        window: WindowArgument = ApiWindow.AUTO,
        max_points: MaxPoints = DEFAULT_MAX_POINTS,
        statistics: Statistics = [Statistic.MEAN],  # noqa: B006
    ) -> Series:
        return await series_of(info, SeriesRef(self.id, True), from_, to, window, max_points, statistics)

    @resolver(
        "Energy of the node over [from, to) in kWh, as the query `energy` returns it. The energies of many "
        "nodes are read together.",
        cost=READS_RANGE,
    )
    async def energy(self, info: Info, from_: From, to: To = NOT_GIVEN) -> Energy:
        key = EnergyKey(
            SeriesRef(self.id, True),
            from_,
            value_or_none(to),
            selects(info, "missing") or selects(info, "missingLabels"),
        )
        return to_energy(await info.context.loaders.energy.load(key), info.context.queries.labels)

    @resolver(
        "The node's own meters against the sum of its children, at the moment of the tree; null if it has no "
        "meters of its own.",
        cost=Cost(reads=tree_nodes),
    )
    async def balance(self, info: Info) -> Balance | None:
        if not self.has_meter:
            return None
        balance = await info.context.loaders.balance.load(BalanceKey(SeriesRef(self.id, True), self.moment))
        return to_balance(balance, info.context.queries.labels)


@strawberry.type(description="An energy tree at a moment, as a flat list: link the nodes by `parent`.")
class EnergyTree:
    at: TimeNs = strawberry.field(description="The moment. In the past: the start of the 30 s window.")
    nodes: list[EnergyNode] = strawberry.field(
        description="Nodes; parents come before their children.", metadata=rules(cost=COUNTED_ABOVE)
    )


def to_tree(
    state: TreeState, labels: Labels, metered: Collection[str], moment: int | None = None
) -> EnergyTree:
    """Convert a tree. `metered`: nodes with their own meters; `moment`: the requested moment, None for now."""
    return EnergyTree(
        at=TimeNs(state.at_ns),
        nodes=[_to_node(node, labels, metered, moment) for node in state.nodes],
    )


def _to_node(
    node: NodeState, labels: Labels, metered: Collection[str], moment: int | None = None
) -> EnergyNode:
    return EnergyNode(
        id=node.id,  # type: ignore[arg-type]
        name=node.name,
        parent=node.parent,  # type: ignore[arg-type]
        target=node.target,  # type: ignore[arg-type]
        target_label=labels.optional_sensor(node.target),
        watts=node.watts,
        coverage=node.coverage,
        sensors_expected=node.sensors_expected,
        sensors_reporting=node.sensors_reporting,
        missing=list(node.missing),  # type: ignore[arg-type]
        missing_labels=labels.sensors(node.missing),
        missing_children=list(node.missing_children),  # type: ignore[arg-type]
        moment=moment,
        has_meter=node.id in metered,
    )


@strawberry.type
class EnergyQuery:
    @query(
        "Power of every node of a tree in W: now from last values, in the past from 30 s roll-ups.",
        right=Right.READ,
        cost=Cost(members=tree_nodes),
    )
    async def energy_tree(
        self,
        info: Info,
        tree: TreeArgument = Tree.CONSUMPTION,
        root_id: RootArgument = NOT_GIVEN,
        at: Annotated[
            TimeNs | None, strawberry.argument(description="A moment in the past. Null: now.")
        ] = NOT_GIVEN,
    ) -> EnergyTree:
        queries = info.context.queries
        below, moment = value_or_none(root_id), value_or_none(at)
        metered = frozenset(queries.balance.nodes(tree.value))
        if moment is None:
            return to_tree(queries.energy.now(tree.value, below), queries.labels, metered)
        return to_tree(await queries.energy.at(tree.value, below, moment), queries.labels, metered, moment)

    @query(
        "The root of an energy tree now, without the other nodes. Its `series` and `energy` need no id.",
        right=Right.READ,
    )
    async def energy_root(self, info: Info, tree: TreeArgument = Tree.CONSUMPTION) -> EnergyNode:
        queries = info.context.queries
        root = queries.energy.now(tree.value).nodes[0]
        return _to_node(root, queries.labels, frozenset(queries.balance.nodes(tree.value)))


@strawberry.type
class EnergySubscription:
    @subscription(
        "An energy tree: at once, then after every change, at most once a second.",
        right=Right.READ,
        cost=Cost(members=tree_nodes),
    )
    async def energy_tree(
        self, info: Info, tree: TreeArgument = Tree.CONSUMPTION, root_id: RootArgument = NOT_GIVEN
    ) -> AsyncGenerator[EnergyTree, None]:
        queries = info.context.queries
        async with aclosing(
            watch_tree(queries.energy, queries.bus, tree.value, value_or_none(root_id))
        ) as states:
            metered = frozenset(queries.balance.nodes(tree.value))
            async for state in states:
                yield to_tree(state, queries.labels, metered)
