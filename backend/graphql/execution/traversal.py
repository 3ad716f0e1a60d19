"""The one traversal of a GraphQL document. Rules on shape, cost and rights fold the document with it.

It visits fields, inline fragments and fragment spreads from the bottom up. Each fragment is folded once per scope, however often
a document spreads it: 40 fragments that spread each other twice are 2^40 paths, but 40 folds. Recursion is as deep as the
document; the limit on tokens (`shape.py`) bounds that.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeAlias, TypeVar

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
)

Scope = TypeVar("Scope")
Total = TypeVar("Total")
Parent: TypeAlias = FieldNode | InlineFragmentNode | FragmentDefinitionNode
"""A node with a selection set."""


class DocumentRule(Protocol[Scope, Total]):
    """A sum over a document. `Scope` is what a selection set inherits from above, hashable; `Total` is the sum."""

    def empty(self) -> Total:
        """Return the total of an empty selection set."""

    def scope_inside(self, node: Parent, scope: Scope) -> Scope:
        """Return the scope of the selection set of `node`, which stands in `scope`."""

    def add_field(self, total: Total, node: FieldNode, scope: Scope, below: Total | None) -> Total:
        """Return `total` with a field. `below` is the total of its selection set, None for a leaf."""

    def add_fragment(self, total: Total, node: InlineFragmentNode | FragmentSpreadNode, part: Total) -> Total:
        """Return `total` with a fragment whose total is `part`. `part` is shared and must not be changed."""


class FragmentCycleError(Exception):
    """A fragment spreads itself, directly or through others. `node` is the spread that closes the cycle."""

    def __init__(self, node: FragmentSpreadNode) -> None:
        super().__init__(node.name.value)
        self.node = node


class Traversal(Generic[Scope, Total]):
    """The fold of one document by one rule."""

    def __init__(self, document: DocumentNode, rule: DocumentRule[Scope, Total]) -> None:
        self._rule = rule
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._fragment_totals: dict[tuple[str, Scope], Total] = {}
        self._open_fragments: set[str] = set()

    def total(self, selection_set: SelectionSetNode, scope: Scope) -> Total:
        """Return the total of a selection set. Raises `FragmentCycleError`."""
        rule = self._rule
        total = rule.empty()
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                below = None
                if node.selection_set is not None:
                    below = self.total(node.selection_set, rule.scope_inside(node, scope))
                total = rule.add_field(total, node, scope, below)
            elif isinstance(node, InlineFragmentNode):
                part = self.total(node.selection_set, rule.scope_inside(node, scope))
                total = rule.add_fragment(total, node, part)
            elif isinstance(node, FragmentSpreadNode):
                total = rule.add_fragment(total, node, self._fragment_total(node, scope))
        return total

    def _fragment_total(self, spread: FragmentSpreadNode, scope: Scope) -> Total:
        name = spread.name.value
        definition = self._fragments.get(name)
        if definition is None:
            return self._rule.empty()  # validation reports the unknown fragment
        inside = self._rule.scope_inside(definition, scope)
        key = (name, inside)
        if key not in self._fragment_totals:
            if name in self._open_fragments:
                raise FragmentCycleError(spread)
            self._open_fragments.add(name)
            self._fragment_totals[key] = self.total(definition.selection_set, inside)
            self._open_fragments.discard(name)
        return self._fragment_totals[key]


class TypedScope:
    """Scopes for rules on a validated document: the scope of a selection set is its parent type."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def scope_inside(self, node: Parent, scope: GraphQLNamedType) -> GraphQLNamedType:
        """Return the type that the selection set of `node` selects from."""
        if isinstance(node, FieldNode):
            field = self._schema.get_field(scope, node.name.value)  # type: ignore[arg-type]
            return scope if field is None else get_named_type(field.type)
        condition = node.type_condition
        return scope if condition is None else self._schema.get_type(condition.name.value) or scope
