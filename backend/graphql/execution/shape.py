"""Limits on the shape of a document, checked before validation. Both checks take time linear in the document's length.

Validation and execution are not linear. Two validation rules compare fields in pairs, and fragments that spread each other
twice double the fields at every step. So documents that are deeper, wider or more repetitive than any useful one are refused
first, and so are circular fragments.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
)

from backend.graphql.execution.traversal import FragmentCycleError, Parent, Traversal

MAX_CHARACTERS: Final = 50_000
MAX_TOKENS: Final = 600
MAX_DEPTH: Final = 10
MAX_INTROSPECTION_DEPTH: Final = 20
MAX_INTROSPECTION_LISTS: Final = 2
"""Nested lists of members: fields of the types of fields, and no deeper."""
MAX_ALIASES: Final = 30
MAX_DIRECTIVES: Final = 50
MAX_REPEATS: Final = 30
MAX_FIELDS: Final = 300
MAX_INTROSPECTION_FIELDS: Final = 1_000
MAX_VARIABLES: Final = 50

_MEMBER_LISTS: Final = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
_TOKEN: Final = re.compile(
    r'#[^\n\r]*|"""(?:\\"""|[^"]|"(?!""))*"""|"(?:\\.|[^"\\\n\r])*"|[_A-Za-z]\w*|-?\d[\w.+-]*|\.\.\.|[!$&()*:=@\[\]{|}]'
)


@dataclass(slots=True)
class Shape:
    """Counts over a selection set, with its fragments expanded."""

    depth: int = 0
    introspection_depth: int = 0
    introspection_lists: int = 0
    introspection_fields: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    repeats: int = 0
    """Fields below the top level that have the answer key of a field beside them."""
    keys: Counter[str] = field(default_factory=Counter)
    """Fields of the top level by answer key: the alias, else the name."""

    def add(self, other: Shape) -> None:
        """Add a selection set that stands beside this one or below it."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.introspection_lists = max(self.introspection_lists, other.introspection_lists)
        self.introspection_fields += other.introspection_fields
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.repeats += other.repeats

    def close_level(self) -> None:
        """Count the repeats of the top level. Call it once, when the selection set is complete."""
        self.repeats += sum(count - 1 for count in self.keys.values())


def text_fault(text: str) -> GraphQLError | None:
    """Return why a text must not be parsed; None if it may be. The parser takes about 10 µs per token."""
    if len(text) > MAX_CHARACTERS:
        return GraphQLError(f"The document has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}.")
    count = 0
    for match in _TOKEN.finditer(text):
        count += text[match.start()] != "#"
        if count > MAX_TOKENS:
            return GraphQLError(
                f"The document has more than {MAX_TOKENS:,} tokens, which is the limit: pass values as variables."
            )
    return None


def shape_fault(document: DocumentNode) -> GraphQLError | None:
    """Return why a document must not be validated; None if it may be."""
    try:
        shape = _measure(document)
    except FragmentCycleError as cycle:
        name = cycle.node.name.value
        return GraphQLError(f"Fragment {name!r} spreads itself, directly or through others.", [cycle.node])
    for noun, count, limit in (
        ("levels of fields", shape.depth, MAX_DEPTH),
        ("levels of introspection fields", shape.introspection_depth, MAX_INTROSPECTION_DEPTH),
        ("nested introspection lists", shape.introspection_lists, MAX_INTROSPECTION_LISTS),
        ("introspection fields", shape.introspection_fields, MAX_INTROSPECTION_FIELDS),
        ("fields", shape.fields, MAX_FIELDS),
        ("variables", _variables(document), MAX_VARIABLES),
        ("aliases", shape.aliases, MAX_ALIASES),
        ("directives", shape.directives, MAX_DIRECTIVES),
        ("repeated fields", shape.repeats, MAX_REPEATS),
    ):
        if count > limit:
            amount = f"{count:,}" if count < 10**9 else "more than 1,000,000,000"
            return GraphQLError(
                f"The document has {amount} {noun}, with fragments expanded; the limit is {limit:,}."
            )
    return None


def _variables(document: DocumentNode) -> int:
    operations = (d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return sum(len(operation.variable_definitions or ()) for operation in operations)


def _measure(document: DocumentNode) -> Shape:
    """Return the counts over all definitions. Raises `FragmentCycleError`."""
    rule = _ShapeRule()
    traversal = Traversal(document, rule)
    whole = Shape()
    for definition in document.definitions:
        # Validation also visits fragments that no operation spreads, so they count too.
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            inside = isinstance(definition, FragmentDefinitionNode) and rule.scope_inside(definition, False)
            shape = traversal.total(definition.selection_set, inside)
            shape.close_level()
            whole.directives += len(definition.directives or ())
            whole.add(shape)
    return whole


class _ShapeRule:
    """Counts fields. Implements `DocumentRule`; the scope is whether the selection set is one of introspection."""

    def empty(self) -> Shape:
        return Shape()

    def scope_inside(self, node: Parent, scope: bool) -> bool:
        if isinstance(node, FieldNode):
            return scope or node.name.value.startswith("__")
        if isinstance(node, FragmentDefinitionNode):
            return scope or node.type_condition.name.value.startswith("__")
        return scope

    def add_field(self, total: Shape, node: FieldNode, scope: bool, below: Shape | None) -> Shape:
        name = node.name.value
        if scope:
            total.introspection_fields += 1
        else:
            total.fields += 1
        total.directives += len(node.directives or ())
        total.aliases += node.alias is not None
        total.keys[node.alias.value if node.alias else name] += 1
        if below is not None:
            below.close_level()
            if self.scope_inside(node, scope):
                below.introspection_depth += 1
                below.introspection_lists += name in _MEMBER_LISTS
            else:
                below.depth += 1
            total.add(below)
        return total

    def add_fragment(self, total: Shape, node: InlineFragmentNode | FragmentSpreadNode, part: Shape) -> Shape:
        total.directives += len(node.directives or ())
        total.add(part)
        total.keys.update(part.keys)
        return total
