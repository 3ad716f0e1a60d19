"""What an operation costs: the most values it can make the server read or answer, known before it runs.

A leaf is one value, a list as many times what is asked of each of its members, and a field that reads the store as many values
as its arguments let it read. Nested lists multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationType,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableValues,
    get_argument_values,
    get_named_type,
    get_operation_ast,
    get_variable_values,
    is_list_type,
)

from backend.graphql.fields.sensors import DEFAULT_PAGE
from backend.graphql.fields.series import DEFAULT_MAX_POINTS
from backend.queries.services import Queries

Arguments: TypeAlias = Mapping[str, Any]

LIST: Final = 10
"""Members of a list of which nothing better is known."""
ROWS: Final = 5_000
"""Rows that a figure over a range reads: days inside, 30 s windows at the edges."""
MANY: Final = 50
AGAIN: Final = 10
"""How often a subscription's answer counts: it comes again and again."""
_META: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many of each there are, so that the cost of a list is that of its members."""

    sensors: int = 1
    racks: int = 1
    nodes: Mapping[str, int] | None = None

    @classmethod
    def of(cls, queries: Queries) -> Sizes:
        trees = {tree: queries.energy.size(tree) for tree in ("consumption", "production")}
        return cls(queries.sensors.count, queries.racks.count, trees)

    def tree(self, arguments: Arguments) -> int:
        tree = arguments.get("tree")
        sizes = self.nodes or {}
        return max(1, sizes.get(getattr(tree, "value", ""), max(sizes.values(), default=1)))


@dataclass(frozen=True, slots=True)
class Rule:
    """`reads`: values a field reads by itself; `times`: how often what is below it is answered, None as its type says."""

    reads: Callable[[Arguments, Sizes], int] = lambda arguments, sizes: 0
    times: Callable[[Arguments, Sizes], int] | None = None


def _named(arguments: Arguments) -> int:
    return len(arguments.get("sensors") or ()) + len(arguments.get("nodes") or ())


def _points(arguments: Arguments) -> int:
    asked = arguments.get("maxPoints")
    columns = 1 + len(arguments.get("statistics") or ())
    return max(1, DEFAULT_MAX_POINTS if asked is None else asked) * columns


def _page(arguments: Arguments, sizes: Sizes) -> int:
    first = arguments.get("first")
    return max(1, min(DEFAULT_PAGE if first is None else first, sizes.sensors))


def _rows(arguments: Arguments, sizes: Sizes) -> int:
    """A page of a list that grows with time."""
    first = arguments.get("first")
    return max(1, DEFAULT_PAGE if first is None else first)


def _tree(arguments: Arguments, sizes: Sizes) -> int:
    return sizes.tree(arguments)


_ONCE: Final = Rule(times=lambda arguments, sizes: 1)
_RANGE: Final = Rule(reads=lambda arguments, sizes: ROWS)
_SERIES: Final = Rule(reads=lambda arguments, sizes: _points(arguments))

RULES: Final[Mapping[str, Rule]] = {
    "Query.series": Rule(
        reads=lambda arguments, sizes: _named(arguments) * _points(arguments),
        times=lambda arguments, sizes: max(1, _named(arguments)),
    ),
    "Query.sensors": Rule(times=_page),
    "SensorConnection.edges": _ONCE,
    "Sensor.series": _SERIES,
    "Sensor.energy": _RANGE,
    "Query.energyTree": Rule(times=_tree),
    "Subscription.energyTree": Rule(times=_tree),
    "EnergyTree.nodes": _ONCE,
    "EnergyNode.series": _SERIES,
    "EnergyNode.energy": _RANGE,
    "EnergyNode.balance": Rule(reads=lambda arguments, sizes: sizes.tree(arguments)),
    "Query.energyTreeOver": Rule(reads=lambda arguments, sizes: ROWS, times=_tree),
    "EnergyTreeOver.nodes": _ONCE,
    "Query.energy": Rule(
        # How many bars there will be is known later; the service holds them to a limit.
        reads=lambda arguments, sizes: ROWS * max(1, _named(arguments)),
        times=lambda arguments, sizes: max(1, _named(arguments)),
    ),
    "Query.pue": _RANGE,
    "Query.renewableShare": _RANGE,
    "Query.balance": Rule(reads=_tree),
    "Query.balances": Rule(reads=lambda arguments, sizes: ROWS, times=lambda arguments, sizes: MANY),
    "Query.overview": _RANGE,
    "Query.racks": Rule(times=lambda arguments, sizes: max(1, sizes.racks)),
    "Rack.equipment": Rule(times=lambda arguments, sizes: MANY),
    "Rack.probes": Rule(times=lambda arguments, sizes: MANY),
    "Query.devices": Rule(times=lambda arguments, sizes: MANY),
    "Subscription.readings": Rule(reads=lambda arguments, sizes: 3 * sizes.sensors),
    "Subscription.deviceHealth": Rule(times=lambda arguments, sizes: MANY),
    "DeviceBatch.devices": _ONCE,
    "Query.jobs": Rule(times=_rows),
    "JobConnection.edges": _ONCE,
    "Query.events": Rule(times=_rows),
    "SensorEventConnection.edges": _ONCE,
    "Query.continuousQueries": _RANGE,
    "Mutation.createJobs": _RANGE,
    "Mutation.mendContinuousQueries": _RANGE,
}
"""By `Type.field`. A field that reads the store belongs here."""


def cost_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    inputs: dict[str, Any],
    sizes: Sizes,
) -> int:
    """Values the operation may read or answer; 0 where it cannot run, which the execution will say."""
    operation = get_operation_ast(document, operation_name)
    root = schema.get_root_type(operation.operation) if operation else None
    if operation is None or root is None:
        return 0
    variables = get_variable_values(schema, operation.variable_definitions or (), inputs)
    if isinstance(variables, list):
        return 0
    once = _Walk(schema, document, variables, sizes).selections(operation.selection_set, root)
    return once * AGAIN if operation.operation is OperationType.SUBSCRIPTION else once


class _Walk:
    """Each fragment is walked once for each type it is spread on."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: VariableValues, sizes: Sizes
    ) -> None:
        self._schema = schema
        self._variables = variables
        self._sizes = sizes
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._known: dict[tuple[str, str], int] = {}

    def selections(self, selection_set: SelectionSetNode, parent: GraphQLNamedType) -> int:
        total = 0
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, parent)
            elif isinstance(node, FragmentSpreadNode):
                total += self._fragment(node.name.value, parent)
            elif isinstance(node, InlineFragmentNode):
                total += self.selections(node.selection_set, self._condition(node, parent))
        return total

    def _condition(
        self, node: InlineFragmentNode | FragmentDefinitionNode, parent: GraphQLNamedType
    ) -> GraphQLNamedType:
        on = node.type_condition
        return parent if on is None else self._schema.get_type(on.name.value) or parent

    def _fragment(self, name: str, parent: GraphQLNamedType) -> int:
        key = (name, parent.name)
        if key not in self._known:
            definition = self._fragments[name]
            self._known[key] = self.selections(definition.selection_set, self._condition(definition, parent))
        return self._known[key]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> int:
        name = node.name.value
        field = _META.get(name)
        if field is None and isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            field = parent.fields.get(name)
        if field is None:  # __typename
            return 1
        rule = RULES.get(f"{parent.name}.{name}")
        arguments = self._arguments(field, node) if rule is not None else {}
        reads = rule.reads(arguments, self._sizes) if rule is not None else 0
        if node.selection_set is None:
            return max(1, reads)
        times = LIST if _is_list(field.type) else 1
        if rule is not None and rule.times is not None:
            times = rule.times(arguments, self._sizes)
        return reads + times * self.selections(node.selection_set, get_named_type(field.type))

    def _arguments(self, field: GraphQLField, node: FieldNode) -> Arguments:
        try:
            return get_argument_values(field, node, self._variables)
        except GraphQLError:
            return {}


def _is_list(kind: GraphQLOutputType) -> bool:
    return is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)
