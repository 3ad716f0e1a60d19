"""Rights on fields: an operation runs only where whoever asks may have all of its fields. Looked at before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    SelectionSetNode,
    get_named_type,
    get_operation_ast,
)
from strawberry.extensions import SchemaExtension

from backend.core.access_rules import right_of_field
from backend.core.rights import Right
from backend.graphql.context import Context

UNAUTHENTICATED: Final = "UNAUTHENTICATED"
FORBIDDEN: Final = "FORBIDDEN"

_WANTED: Final = {
    Right.READ: "a log-in, or a personal token with the scope READ",
    Right.EXPORT: "a log-in, or a personal token with the scope EXPORT",
    Right.ACCOUNT: "a log-in; a personal token is not enough",
    Right.ADMIN: "an administrator, by log-in or a token with the scope ADMIN",
}


class Rights(SchemaExtension):
    """Also before each subscription begins; while it runs, `server.py` watches the connection."""

    def on_execute(self) -> Iterator[None]:
        run = self.execution_context
        if run.graphql_document is not None:
            schema: GraphQLSchema = run.schema._schema
            needs = _needs(_Document(schema, run.graphql_document), run.operation_name)
            _check(run.context, needs)
        yield


def _check(context: Context, needs: Mapping[str, Right]) -> None:
    for name, right in needs.items():
        if not context.may(right):
            code = FORBIDDEN if context.who.is_authenticated else UNAUTHENTICATED
            raise GraphQLError(f"{name} needs {_WANTED[right]}.", extensions={"code": code, "field": name})


class _Document:
    """A document that stands for itself in a cache: the parser's cache hands out the same one for the same text."""

    __slots__ = ("document", "schema")

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.schema = schema
        self.document = document

    def __hash__(self) -> int:
        return hash((id(self.schema), id(self.document)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Document) and self.schema is other.schema and self.document is other.document
        )


@lru_cache(maxsize=256)
def _needs(asked: _Document, operation_name: str | None) -> Mapping[str, Right]:
    """What each field of the operation asks for that asks for something."""
    operation = get_operation_ast(asked.document, operation_name)
    root = asked.schema.get_root_type(operation.operation) if operation else None
    if operation is None or root is None:
        return {}
    looked = _Look(asked.schema, asked.document)
    looked.at(root, operation.selection_set)
    return {name: right for name, right in looked.found.items() if right is not Right.ANYONE}


class _Look:
    """Goes through all fields of an operation; through each fragment once. Validation has refused circles and unknown names."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.found: dict[str, Right] = {}
        self._schema = schema
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }

    def at(self, parent: Any, selections: SelectionSetNode) -> None:
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.pop(node.name.value, None)
                if fragment is not None:
                    self.at(self._type(fragment.type_condition), fragment.selection_set)
            elif isinstance(node, InlineFragmentNode):
                kind = self._type(node.type_condition) if node.type_condition else parent
                self.at(kind, node.selection_set)
            elif isinstance(node, FieldNode) and not node.name.value.startswith("__"):
                self._field(parent, node)

    def _type(self, condition: NamedTypeNode) -> Any:
        return self._schema.type_map[condition.name.value]

    def _field(self, parent: Any, node: FieldNode) -> None:
        name = node.name.value
        right = right_of_field(f"{parent.name}.{name}")
        if right is not None:
            self.found[f"{parent.name}.{name}"] = right
        if node.selection_set is not None:
            self.at(get_named_type(parent.fields[name].type), node.selection_set)
