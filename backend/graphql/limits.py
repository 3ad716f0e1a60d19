"""How much one operation may ask for. All limits are checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableValues,
    get_argument_values,
    get_operation_ast,
    get_variable_values,
)
from strawberry.extensions import (
    AddValidationRules,
    DisableIntrospection,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    QueryDepthLimiter,
    SchemaExtension,
)

from backend.graphql.sensors import DEFAULT_PAGE
from backend.graphql.series import DEFAULT_MAX_POINTS

MAX_DEPTH: Final = 8
MAX_ALIASES: Final = 30
MAX_TOKENS: Final = 2_000
MAX_COST: Final = 1_000_000
"""Values one operation may ask for: a point of a series counts once for each of its columns."""

TOO_COSTLY: Final = "TOO_COSTLY"
TREE_COST: Final = 2_000
ROWS_COST: Final = 5_000
SENSOR_FIELDS: Final = 12

# One list of rule classes for all requests: a new class a request would never hit the validation cache.
_RULES = (*QueryDepthLimiter(MAX_DEPTH).validation_rules, *MaxAliasesLimiter(MAX_ALIASES).validation_rules)


class Shape(AddValidationRules):
    """Depth and aliases."""

    def __init__(self) -> None:
        super().__init__(list(_RULES))


class Tokens(MaxTokensLimiter):
    def __init__(self) -> None:
        super().__init__(MAX_TOKENS)


_NO_INTROSPECTION = DisableIntrospection().validation_rules


class NoIntrospection(AddValidationRules):
    def __init__(self) -> None:
        super().__init__(list(_NO_INTROSPECTION))


def _series(arguments: Mapping[str, Any]) -> int:
    series = len(arguments.get("sensors") or ()) + len(arguments.get("nodes") or ())
    columns = 1 + len(arguments.get("statistics") or ())
    return series * max(1, arguments.get("maxPoints") or DEFAULT_MAX_POINTS) * columns


def _energy(arguments: Mapping[str, Any]) -> int:
    """How many bars there will be is known later; the service holds them to a limit."""
    return ROWS_COST * max(1, len(arguments.get("sensors") or ()) + len(arguments.get("nodes") or ()))


def _sensors(arguments: Mapping[str, Any]) -> int:
    return SENSOR_FIELDS * max(1, arguments.get("first") or DEFAULT_PAGE)


def _rows(arguments: Mapping[str, Any]) -> int:
    """A page of a list; a subscription to it has no page."""
    return SENSOR_FIELDS * max(1, arguments.get("first") or DEFAULT_PAGE)


_COSTS: Final[Mapping[str, Callable[[Mapping[str, Any]], int]]] = {
    "series": _series,
    "sensors": _sensors,
    "energyTree": lambda _: TREE_COST,
    "energyTreeOver": lambda _: ROWS_COST,
    "energy": _energy,
    "pue": lambda _: ROWS_COST,
    "renewableShare": lambda _: ROWS_COST,
    "balance": lambda _: TREE_COST,
    "balances": lambda _: ROWS_COST,
    "racks": lambda _: ROWS_COST,
    "overview": lambda _: ROWS_COST,
    "readings": lambda _: ROWS_COST,
    "jobs": _rows,
    "events": _rows,
    "continuousQueries": lambda _: ROWS_COST,
    "createJobs": lambda _: ROWS_COST,
    "mendContinuousQueries": lambda _: ROWS_COST,
}


class Cost(SchemaExtension):
    """Refuses an operation that asks for too many values, and says how many it asked for."""

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        if document is not None:
            cost = _cost(self._core_schema(), document, context.operation_name, context.variables or {})
            if cost > MAX_COST:
                raise GraphQLError(
                    f"The query asks for up to {cost:,} values; the limit is {MAX_COST:,}: "
                    "ask for fewer series, a lower maxPoints or fewer statistics.",
                    extensions={"code": TOO_COSTLY, "cost": cost, "limit": MAX_COST},
                )
        yield

    def _core_schema(self) -> GraphQLSchema:
        schema: GraphQLSchema = self.execution_context.schema._schema
        return schema


def _cost(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, inputs: dict[str, Any]
) -> int:
    """Only root fields cost: what lies below them is bounded by their arguments."""
    operation = get_operation_ast(document, operation_name)
    root = schema.get_root_type(operation.operation) if operation else None
    if operation is None or root is None:
        return 0
    variables = get_variable_values(schema, operation.variable_definitions or (), inputs)
    if isinstance(variables, list):
        return 0  # they do not coerce; the execution will say so
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    total = 0
    for node in _root_fields(operation.selection_set, fragments):
        count = _COSTS.get(node.name.value)
        if count is not None:
            total += count(_arguments(root.fields[node.name.value], node, variables))
    return total


def _arguments(field: GraphQLField, node: FieldNode, variables: VariableValues) -> Mapping[str, Any]:
    try:
        return get_argument_values(field, node, variables)
    except GraphQLError:
        return {}


def _root_fields(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """Fields of the root, also those in fragments; validation has refused circles."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, FragmentSpreadNode):
            yield from _root_fields(fragments[node.name.value].selection_set, fragments)
        elif isinstance(node, InlineFragmentNode):
            yield from _root_fields(node.selection_set, fragments)
