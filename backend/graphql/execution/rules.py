"""The right and the cost that a GraphQL field declares beside its resolver, and the table of all of them in a schema.

`backend/graphql/field.py` has the decorators of root fields. An attribute of an object type declares its cost as metadata:

    edges: list[SensorEdge] = strawberry.field(description="…", metadata=rules(cost=COUNTED_ABOVE))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema

from backend.core.rights import Right
from backend.graphql.execution.strawberry_internals import definition_of
from backend.queries.services import Queries

_KEY: Final = "seduce.rules"

Arguments: TypeAlias = Mapping[str, Any]
"""Arguments of a field by their GraphQL names."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of sensors, racks and tree nodes. The cost of a list depends on them."""

    sensors: int = 1
    racks: int = 1
    nodes: Mapping[str, int] = field(default_factory=dict)
    """Nodes of each energy tree, by the tree's name."""

    @classmethod
    def of(cls, queries: Queries) -> Sizes:
        """Return the numbers of the active site description."""
        trees = {tree: queries.energy.size(tree) for tree in ("consumption", "production")}
        return cls(queries.sensors.count, queries.racks.count, trees)

    def tree_nodes(self, arguments: Arguments) -> int:
        """Return the nodes of the tree in `arguments`; of the larger tree where no tree is given."""
        tree = getattr(arguments.get("tree"), "value", "")
        return max(1, self.nodes.get(tree, max(self.nodes.values(), default=1)))


Amount: TypeAlias = int | Callable[[Arguments, Sizes], int]
"""A number of values or members; a function where it depends on arguments or on the site description."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one field, in values: cost = reads + members x cost of the selection below."""

    reads: Amount = 0
    """Values that the field reads from the store by itself."""
    members: Amount | None = None
    """Number of times that the selection below is answered. None: `LIST_MEMBERS` for a list, else 1."""


LIST_MEMBERS: Final = 10
"""Members of a list without a declared cost."""
COUNTED_ABOVE: Final = Cost(members=1)
"""For a list whose members the field above has counted already, such as `edges`."""
LONG_LIST: Final = Cost(members=50)
"""For a list that is longer than most, and whose length the site description does not say."""
ROWS_PER_RANGE: Final = 5_000
"""Rows that a figure over a time range reads: days inside the range, 30 s windows at its ends."""
READS_RANGE: Final = Cost(reads=ROWS_PER_RANGE)


def page_cost(default: int) -> Cost:
    """Return the cost of a page of a list that grows with time; `default` is the size without `first`."""

    def members(arguments: Arguments, sizes: Sizes) -> int:
        first = arguments.get("first")
        return max(1, default if first is None else first)

    return Cost(members=members)


def tree_nodes(arguments: Arguments, sizes: Sizes) -> int:
    """Return the nodes of the energy tree that the argument `tree` names."""
    return sizes.tree_nodes(arguments)


def named_series(arguments: Arguments) -> int:
    """Return how many sensors and nodes the arguments name."""
    return len(arguments.get("sensors") or ()) + len(arguments.get("nodes") or ())


def named_members(arguments: Arguments, sizes: Sizes) -> int:
    """Return the members of a list with one entry per named sensor or node."""
    return max(1, named_series(arguments))


@dataclass(frozen=True, slots=True)
class FieldRules:
    """The right that a field needs, beyond the rights of the fields above it, and its cost. None: no rule."""

    right: Right | None = None
    cost: Cost | None = None


FieldRuleTable: TypeAlias = Mapping[str, FieldRules]
"""The rules of a schema by `Type.field`. Fields without rules are absent."""


class MissingRightError(Exception):
    """A field of Query, Mutation or Subscription declares no right."""


def rules(*, right: Right | None = None, cost: Cost | None = None) -> dict[Any, Any]:
    """Return the `metadata` of a Strawberry field that declares its right and its cost."""
    return {_KEY: FieldRules(right, cost)}


def read_rules(schema: GraphQLSchema) -> FieldRuleTable:
    """Return the rules of all fields. Raises `MissingRightError` that names the root fields without a right."""
    table: dict[str, FieldRules] = {}
    missing: list[str] = []
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    for kind in schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) or kind.name.startswith("__"):
            continue
        for name, core_field in kind.fields.items():
            definition = definition_of(core_field)
            declared = definition.metadata.get(_KEY) if definition is not None else None
            if declared is not None:
                table[f"{kind.name}.{name}"] = declared
            if kind in roots and (declared is None or declared.right is None):
                missing.append(f"{kind.name}.{name}")
    if missing:
        raise MissingRightError(
            f"These GraphQL fields declare no right: {', '.join(missing)}. "
            'Declare it beside the field, such as @query("…", right=Right.READ); see backend/graphql/field.py.'
        )
    return table
