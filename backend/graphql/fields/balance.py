"""The balance of a node of an energy tree: its own meters against the sum of the sensors below it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from backend.core.rights import Right
from backend.graphql.arguments import TreeArgument
from backend.graphql.context import Info
from backend.graphql.enums import Tree
from backend.graphql.execution.rules import LONG_LIST, ROWS_PER_RANGE, Cost, tree_nodes
from backend.graphql.field import NOT_GIVEN, query, selects, value_or_none
from backend.graphql.scalars import TimeNs
from backend.queries import balance
from backend.queries.labels import Labels

At: TypeAlias = Annotated[
    TimeNs | None,
    strawberry.argument(description="A moment in the past. Null: now, unless `from` is set."),
]
OptionalFrom: TypeAlias = Annotated[
    TimeNs | None,
    strawberry.argument(name="from", description="Start of a range instead of a moment, included."),
]
OptionalTo: TypeAlias = Annotated[
    TimeNs | None, strawberry.argument(description="End of the range, not included. Null: now.")
]


@strawberry.type(
    description="Two measurements of the same power: by a node's own meters (`simplified_children` in the site "
    "description) and by the sensors below the node. If a coverage is below 1, the difference includes "
    "power that was not measured."
)
class Balance:
    tree: Tree = strawberry.field(description="The tree of the node.")
    node: strawberry.ID = strawberry.field(description="Id of the node.")
    name: str = strawberry.field(description="Display name of the node.")
    meters: list[strawberry.ID] = strawberry.field(description="Ids of the nodes that meter this node.")
    from_: TimeNs = strawberry.field(
        name="from",
        description="Start of the range. For a moment: the moment, or the start of its 30 s window.",
    )
    until: TimeNs | None = strawberry.field(
        description="End of the range, at most the end of the roll-ups; null for a moment."
    )
    meter_watts: float | None = strawberry.field(
        description="Sum of the meters in W. For a range: the mean over the time in which meters and children both have a "
        "value. Null if a meter does not report."
    )
    children_watts: float | None = strawberry.field(
        description="Sum in W of the reporting sensors below the node, over the same time; null if no sensor reports."
    )
    difference_watts: float | None = strawberry.field(description="Meters minus children, in W.")
    difference_percent: float | None = strawberry.field(
        description="The difference in percent of the meters; null if the meters measure 0."
    )
    meter_kwh: float | None = strawberry.field(
        description="Energy of the meters over the range in kWh; null for a moment, and if a meter has no value."
    )
    children_kwh: float | None = strawberry.field(
        description="Energy of the sensors below the node over the range in kWh; null for a moment, and if no sensor has "
        "a value."
    )
    meter_coverage: float = strawberry.field(
        description="Share of the meters' sensors that report, 0 to 1. For a range: share of the expected readings."
    )
    children_coverage: float = strawberry.field(
        description="Share of the sensors below the node that report, 0 to 1. For a range: share of the expected "
        "readings."
    )
    missing: list[strawberry.ID] = strawberry.field(
        description="Sensors of the meters and below the node that do not report; for a range, those without any reading. "
        "For a range, this field adds the cost of the energy of each of them."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )


def to_balance(result: balance.Balance, labels: Labels) -> Balance:
    return Balance(
        tree=Tree(result.tree),
        node=strawberry.ID(result.node),
        name=result.name,
        meters=[strawberry.ID(m) for m in result.meters],
        from_=TimeNs(result.start_ns),
        until=None if result.until_ns is None else TimeNs(result.until_ns),
        meter_watts=result.meter_w,
        children_watts=result.children_w,
        difference_watts=result.difference_w,
        difference_percent=result.difference_percent,
        meter_kwh=result.meter_kwh,
        children_kwh=result.children_kwh,
        meter_coverage=result.meter_coverage,
        children_coverage=result.children_coverage,
        missing=[strawberry.ID(name) for name in result.missing],
        missing_labels=labels.sensors(result.missing),
    )


@strawberry.type
class BalanceQuery:
    @query(
        "A node's own meters against the sum of the sensors below it, at a moment or over [from, to).",
        right=Right.READ,
        cost=Cost(reads=tree_nodes),
    )
    async def balance(
        self,
        info: Info,
        node: Annotated[
            strawberry.ID,
            strawberry.argument(
                description="Id of a node with `simplified_children` in the site description."
            ),
        ],
        at: At = NOT_GIVEN,
        from_: OptionalFrom = NOT_GIVEN,
        to: OptionalTo = NOT_GIVEN,
    ) -> Balance:
        service = info.context.queries.balance
        lists_missing = selects(info, "missing") or selects(info, "missingLabels")
        (result,) = await service.read(
            [node], value_or_none(at), value_or_none(from_), value_or_none(to), lists_missing
        )
        return to_balance(result, info.context.queries.labels)

    @query(
        "The balances of all nodes of a tree that have their own meters, at a moment or over [from, to).",
        right=Right.READ,
        cost=Cost(reads=ROWS_PER_RANGE, members=LONG_LIST.members),
    )
    async def balances(
        self,
        info: Info,
        tree: TreeArgument = Tree.CONSUMPTION,
        at: At = NOT_GIVEN,
        from_: OptionalFrom = NOT_GIVEN,
        to: OptionalTo = NOT_GIVEN,
    ) -> list[Balance]:
        service = info.context.queries.balance
        nodes = service.nodes(tree.value)
        lists_missing = selects(info, "missing") or selects(info, "missingLabels")
        results = await service.read(
            nodes, value_or_none(at), value_or_none(from_), value_or_none(to), lists_missing
        )
        return [to_balance(result, info.context.queries.labels) for result in results]
