"""The cost of an operation: the most values that it can make the server read or answer, computed before it runs.

A leaf costs one value. A list costs its members times the cost of what is selected of each. A field that reads the store also
costs the values that its arguments let it read. Nested lists multiply. Fields declare their cost beside their resolver
(`rules.py`).
"""

from __future__ import annotations

from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationType,
    VariableValues,
    get_argument_values,
    get_operation_ast,
    get_variable_values,
    is_list_type,
)

from backend.graphql.execution.rules import (
    LIST_MEMBERS,
    Amount,
    Arguments,
    Cost,
    FieldRuleTable,
    Sizes,
)
from backend.graphql.execution.traversal import Traversal, TypedScope

SUBSCRIPTION_FACTOR: Final = 10
"""A subscription answers repeatedly, so it costs this many times its first answer."""
_NO_COST: Final = Cost()


def cost_of(
    schema: GraphQLSchema,
    rules: FieldRuleTable,
    document: DocumentNode,
    operation_name: str | None,
    inputs: dict[str, Any],
    sizes: Sizes,
) -> int:
    """Return the cost of one operation of a validated document, in values.

    Return 0 for an operation that cannot run, such as one with a missing variable: the execution reports why.
    """
    operation = get_operation_ast(document, operation_name)
    root = schema.get_root_type(operation.operation) if operation else None
    if operation is None or root is None:
        return 0
    variables = get_variable_values(schema, operation.variable_definitions or (), inputs)
    if isinstance(variables, list):
        return 0
    rule = _CostRule(schema, rules, variables, sizes)
    answer = Traversal(document, rule).total(operation.selection_set, root)
    return answer * SUBSCRIPTION_FACTOR if operation.operation is OperationType.SUBSCRIPTION else answer


class _CostRule(TypedScope):
    """Sums values. Implements `DocumentRule`."""

    def __init__(
        self, schema: GraphQLSchema, rules: FieldRuleTable, variables: VariableValues, sizes: Sizes
    ) -> None:
        super().__init__(schema)
        self._rules = rules
        self._variables = variables
        self._sizes = sizes

    def empty(self) -> int:
        return 0

    def add_fragment(self, total: int, node: InlineFragmentNode | FragmentSpreadNode, part: int) -> int:
        return total + part

    def add_field(self, total: int, node: FieldNode, scope: GraphQLNamedType, below: int | None) -> int:
        name = node.name.value
        field = self._schema.get_field(scope, name)  # type: ignore[arg-type]
        rules = self._rules.get(f"{scope.name}.{name}")
        cost = _NO_COST if rules is None or rules.cost is None else rules.cost
        arguments = {} if field is None or cost is _NO_COST else self._arguments(field, node)
        reads = self._amount(cost.reads, arguments)
        if below is None:
            return total + max(1, reads)
        if cost.members is not None:
            return total + reads + self._amount(cost.members, arguments) * below
        members = LIST_MEMBERS if field is not None and _is_list(field.type) else 1
        return total + reads + members * below

    def _amount(self, amount: Amount, arguments: Arguments) -> int:
        return amount if isinstance(amount, int) else amount(arguments, self._sizes)

    def _arguments(self, field: GraphQLField, node: FieldNode) -> Arguments:
        try:
            return get_argument_values(field, node, self._variables)
        except GraphQLError:
            return {}


def _is_list(kind: GraphQLOutputType) -> bool:
    return is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)
