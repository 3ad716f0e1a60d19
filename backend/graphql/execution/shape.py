"""Whether a document has a shape that is worth reading. All of it is linear in the document's length.

Validation and execution are not: two rules of validation compare fields in pairs, and fragments that spread each other twice
double with every step. So what is deep, wide, aliased, repeated or circular beyond all use is refused before either.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)

MAX_CHARACTERS: Final = 50_000
MAX_TOKENS: Final = 600
MAX_DEPTH: Final = 10
MAX_INTROSPECTION_DEPTH: Final = 20
MAX_INTROSPECTION_LISTS: Final = 2
"""Lists of members within lists of members: fields of the types of fields, and no further."""
MAX_ALIASES: Final = 30
MAX_DIRECTIVES: Final = 50
MAX_REPEATS: Final = 30
MAX_FIELDS: Final = 300
MAX_INTROSPECTION_FIELDS: Final = 1_000
MAX_VARIABLES: Final = 50

_MEMBERS: Final = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
_TOKEN: Final = re.compile(
    r'#[^\n\r]*|"""(?:\\"""|[^"]|"(?!""))*"""|"(?:\\.|[^"\\\n\r])*"|[_A-Za-z]\w*|-?\d[\w.+-]*|\.\.\.|[!$&()*:=@\[\]{|}]'
)


@dataclass(slots=True)
class Shape:
    """What a selection set comes to with its fragments put in."""

    depth: int = 0
    introspection_depth: int = 0
    introspection_lists: int = 0
    introspection_fields: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    repeats: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    """How often each name of the answer is asked for, on the uppermost level."""

    def take(self, other: Shape) -> None:
        """Beside each other."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.introspection_lists = max(self.introspection_lists, other.introspection_lists)
        self.introspection_fields += other.introspection_fields
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.repeats += other.repeats


def text_fault(text: str) -> GraphQLError | None:
    """What keeps a text from being parsed at all: the parser takes some 10 µs for each token."""
    if len(text) > MAX_CHARACTERS:
        return GraphQLError(f"The document has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}.")
    count = 0
    for match in _TOKEN.finditer(text):
        count += text[match.start()] != "#"
        if count > MAX_TOKENS:
            return GraphQLError(
                f"The document has more than {MAX_TOKENS:,} tokens, which is the limit: give values as variables."
            )
    return None


def shape_fault(document: DocumentNode) -> GraphQLError | None:
    """Why a document is not worth validating; None where it is."""
    try:
        whole = _measure(document)
    except _Circle as circle:
        return GraphQLError(f"Fragment {circle.name!r} is part of itself.", nodes=[circle.node])
    for what, found, limit in (
        ("levels of fields", whole.depth, MAX_DEPTH),
        ("levels of fields of the schema", whole.introspection_depth, MAX_INTROSPECTION_DEPTH),
        ("lists of members within each other", whole.introspection_lists, MAX_INTROSPECTION_LISTS),
        ("fields of the schema", whole.introspection_fields, MAX_INTROSPECTION_FIELDS),
        ("fields", whole.fields, MAX_FIELDS),
        ("variables", _variables(document), MAX_VARIABLES),
        ("aliases", whole.aliases, MAX_ALIASES),
        ("directives", whole.directives, MAX_DIRECTIVES),
        ("fields that repeat another one", whole.repeats, MAX_REPEATS),
    ):
        if found > limit:
            many = f"{found:,}" if found < 10**9 else "very many"
            return GraphQLError(f"The document has {many} {what}, fragments put in; the limit is {limit:,}.")
    return None


def _variables(document: DocumentNode) -> int:
    operations = (d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return sum(len(operation.variable_definitions or ()) for operation in operations)


class _Circle(Exception):
    def __init__(self, name: str, node: Node) -> None:
        super().__init__(name)
        self.name = name
        self.node = node


class _Measuring:
    """Each fragment is measured once, however often it is spread."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[tuple[str, bool], Shape] = {}
        self._open: set[str] = set()

    def selections(self, selection_set: SelectionSetNode, inside: bool) -> Shape:
        """`inside`: below a field of the schema itself, which has limits of its own."""
        shape = self._level(selection_set, inside)
        shape.repeats += sum(count - 1 for count in shape.keys.values())
        return shape

    def _level(self, selection_set: SelectionSetNode, inside: bool) -> Shape:
        shape = Shape()
        for node in selection_set.selections:
            shape.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                self._field(shape, node, inside)
            elif isinstance(node, InlineFragmentNode):
                self._spread(shape, self._level(node.selection_set, inside))
            elif isinstance(node, FragmentSpreadNode):
                self._spread(shape, self._fragment(node, inside))
        return shape

    @staticmethod
    def _spread(shape: Shape, part: Shape) -> None:
        shape.take(part)
        shape.keys.update(part.keys)

    def _field(self, shape: Shape, node: FieldNode, inside: bool) -> None:
        name = node.name.value
        if inside:
            shape.introspection_fields += 1
        else:
            shape.fields += 1
        shape.aliases += node.alias is not None
        shape.keys[node.alias.value if node.alias else name] += 1
        if node.selection_set is None:
            return
        schema = inside or name.startswith("__")
        below = self.selections(node.selection_set, schema)
        if schema:
            below.introspection_depth += 1
            below.introspection_lists += name in _MEMBERS
        else:
            below.depth += 1
        shape.take(below)

    def _fragment(self, spread: FragmentSpreadNode, inside: bool) -> Shape:
        name = spread.name.value
        key = (name, inside)
        known = self._known.get(key)
        if known is None:
            definition = self._fragments.get(name)
            if definition is None:
                return Shape()  # validation will say so
            if name in self._open:
                raise _Circle(name, spread)
            self._open.add(name)
            known = self._known[key] = self._level(definition.selection_set, inside)
            self._open.discard(name)
        return known


def _measure(document: DocumentNode) -> Shape:
    definitions: Sequence[object] = document.definitions
    fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
    measuring = _Measuring(fragments)
    whole = Shape()
    for definition in definitions:
        # Fragments that nothing spreads are validated all the same, so they count too.
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            whole.directives += len(definition.directives or ())
            whole.take(measuring.selections(definition.selection_set, _is_about_schema(definition)))
    return whole


def _is_about_schema(definition: OperationDefinitionNode | FragmentDefinitionNode) -> bool:
    return isinstance(definition, FragmentDefinitionNode) and definition.type_condition.name.value.startswith(
        "__"
    )
