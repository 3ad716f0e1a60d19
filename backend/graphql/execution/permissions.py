"""Rights on fields. An operation runs only where the caller has the right of every field in it, checked before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    get_operation_ast,
)
from strawberry.extensions import SchemaExtension

from backend.core.rights import Right
from backend.graphql.context import Context
from backend.graphql.execution.rules import FieldRuleTable
from backend.graphql.execution.strawberry_internals import core_schema
from backend.graphql.execution.traversal import Traversal, TypedScope

if TYPE_CHECKING:
    from backend.graphql.execution.schema_class import Schema

UNAUTHENTICATED: Final = "UNAUTHENTICATED"
FORBIDDEN: Final = "FORBIDDEN"

RightsByField: TypeAlias = dict[str, Right]
"""Rights that the fields of an operation need, by `Type.field`, in the order of the document."""

_DESCRIPTIONS: Final = {
    Right.READ: "a log-in, or a personal token with the scope READ",
    Right.EXPORT: "a log-in, or a personal token with the scope EXPORT",
    Right.ACCOUNT: "a log-in; a personal token is not enough",
    Right.ADMIN: "an administrator, by log-in or a token with the scope ADMIN",
}


class RightsExtension(SchemaExtension):
    """Checks the rights of an operation before it starts. `connections.py` ends open subscriptions whose rights end."""

    def on_execute(self) -> Iterator[None]:
        run = self.execution_context
        if run.graphql_document is not None:
            schema = cast("Schema", run.schema)
            operation = _Operation(
                core_schema(schema), schema.field_rules, run.graphql_document, run.operation_name
            )
            _check(run.context, _rights_of(operation))
        yield


def _check(context: Context, rights: Mapping[str, Right]) -> None:
    """Raise `GraphQLError` for the first field whose right the caller lacks."""
    for name, right in rights.items():
        if not context.may(right):
            code = FORBIDDEN if context.principal.is_authenticated else UNAUTHENTICATED
            raise GraphQLError(
                f"{name} needs {_DESCRIPTIONS[right]}.", extensions={"code": code, "field": name}
            )


class _Operation:
    """A key of the cache of rights. Documents compare by identity: by value takes as long as a traversal."""

    __slots__ = ("document", "name", "rules", "schema")

    def __init__(
        self, schema: GraphQLSchema, rules: FieldRuleTable, document: DocumentNode, name: str | None
    ) -> None:
        self.schema = schema
        self.rules = rules
        self.document = document
        self.name = name

    def __hash__(self) -> int:
        return hash((id(self.schema), id(self.document), self.name))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Operation)
            and self.schema is other.schema
            and self.document is other.document
            and self.name == other.name
        )


@lru_cache(maxsize=256)
def _rights_of(operation: _Operation) -> RightsByField:
    """Return the rights that the fields of a validated operation need, except `ANYONE`."""
    node = get_operation_ast(operation.document, operation.name)
    root = operation.schema.get_root_type(node.operation) if node else None
    if node is None or root is None:
        return {}
    rule = _RightsRule(operation.schema, operation.rules)
    return Traversal(operation.document, rule).total(node.selection_set, root)


class _RightsRule(TypedScope):
    """Collects rights. Implements `DocumentRule`."""

    def __init__(self, schema: GraphQLSchema, rules: FieldRuleTable) -> None:
        super().__init__(schema)
        self._rules = rules

    def empty(self) -> RightsByField:
        return {}

    def add_fragment(
        self, total: RightsByField, node: InlineFragmentNode | FragmentSpreadNode, part: RightsByField
    ) -> RightsByField:
        total.update(part)
        return total

    def add_field(
        self, total: RightsByField, node: FieldNode, scope: GraphQLNamedType, below: RightsByField | None
    ) -> RightsByField:
        name = f"{scope.name}.{node.name.value}"
        rules = self._rules.get(name)
        if rules is not None and rules.right not in (None, Right.ANYONE):
            total[name] = cast("Right", rules.right)
        if below:
            total.update(below)
        return total
