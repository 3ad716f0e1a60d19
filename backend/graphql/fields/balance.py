"""Nodes that have a meter of their own, against the sum of what stands below them."""

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
    strawberry.argument(description="A moment in the past; null is now, unless `from` is given."),
]
OptionalFrom: TypeAlias = Annotated[
    TimeNs | None,
    strawberry.argument(name="from", description="Start of a range instead of a moment, included."),
]
OptionalTo: TypeAlias = Annotated[
    TimeNs | None, strawberry.argument(description="End of the range, not included; null is now.")
]


@strawberry.type(
    description="The same watts measured twice: by a node's own meters (`simplified_children` of the description) and by the "
    "sensors below it. Where a coverage is under 1, the difference is also what was not measured."
)
class Balance:
    tree: Tree = strawberry.field(description="The tree that the node is in.")
    node: strawberry.ID = strawberry.field(description="Id of the node.")
    name: str = strawberry.field(description="Its name for people.")
    meters: list[strawberry.ID] = strawberry.field(description="Ids of the nodes that are its meters.")
    from_: TimeNs = strawberry.field(
        name="from",
        description="Start of the range; of a moment, the moment or the start of its 30 s window.",
    )
    until: TimeNs | None = strawberry.field(
        description="End of the range, at most as far as it is rolled up; null for a moment."
    )
    meter_watts: float | None = strawberry.field(
        description="What the meters say together, in W; of a range, the mean over the time in which meters and children "
        "both have a value. Null where a meter does not report."
    )
    children_watts: float | None = strawberry.field(
        description="Sum in W over the sensors below the node that report, over the same time; null where none does."
    )
    difference_watts: float | None = strawberry.field(description="Meters less children in W.")
    difference_percent: float | None = strawberry.field(
        description="The difference in percent of what the meters say; null where that is nothing."
    )
    meter_kwh: float | None = strawberry.field(
        description="Energy of the meters over the range in kWh; null for a moment and where one has no value."
    )
    children_kwh: float | None = strawberry.field(
        description="Energy of the sensors below over the range in kWh; null for a moment and where none has a value."
    )
    meter_coverage: float = strawberry.field(
        description="Share of the meters' sensors that report, over a range of their reports that came, 0 to 1."
    )
    children_coverage: float = strawberry.field(description="The same of the sensors below the node, 0 to 1.")
    missing: list[strawberry.ID] = strawberry.field(
        description="The sensors of the meters and below the node that do not report, over a range those of which nothing was "
        "read. Of a range, asking for it costs as much again as the energy of each of them."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )


def to_balance(found: balance.Balance, labels: Labels) -> Balance:
    return Balance(
        tree=Tree(found.tree),
        node=strawberry.ID(found.node),
        name=found.name,
        meters=[strawberry.ID(m) for m in found.meters],
        from_=TimeNs(found.start_ns),
        until=None if found.until_ns is None else TimeNs(found.until_ns),
        meter_watts=found.meter_w,
        children_watts=found.children_w,
        difference_watts=found.difference_w,
        difference_percent=found.difference_percent,
        meter_kwh=found.meter_kwh,
        children_kwh=found.children_kwh,
        meter_coverage=found.meter_coverage,
        children_coverage=found.children_coverage,
        missing=[strawberry.ID(name) for name in found.missing],
        missing_labels=labels.sensors(found.missing),
    )


@strawberry.type
class BalanceQuery:
    @query(
        "A node's own meters against the sum of its children, at a moment or over [from, to).",
        right=Right.READ,
        cost=Cost(reads=tree_nodes),
    )
    async def balance(
        self,
        info: Info,
        node: Annotated[
            strawberry.ID,
            strawberry.argument(description="Id of a node that has `simplified_children` of its own."),
        ],
        at: At = NOT_GIVEN,
        from_: OptionalFrom = NOT_GIVEN,
        to: OptionalTo = NOT_GIVEN,
    ) -> Balance:
        service = info.context.queries.balance
        wanted = selects(info, "missing") or selects(info, "missingLabels")
        (found,) = await service.read(
            [node], value_or_none(at), value_or_none(from_), value_or_none(to), wanted
        )
        return to_balance(found, info.context.queries.labels)

    @query(
        "The balance of every node of a tree that has a meter of its own, at a moment or over [from, to).",
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
        wanted = selects(info, "missing") or selects(info, "missingLabels")
        found = await service.read(nodes, value_or_none(at), value_or_none(from_), value_or_none(to), wanted)
        return [to_balance(one, info.context.queries.labels) for one in found]
