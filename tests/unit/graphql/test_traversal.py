"""The traversal that the rules on shape, cost and rights share."""

from __future__ import annotations

import pytest
from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode, OperationDefinitionNode, parse

from backend.graphql.execution.traversal import FragmentCycleError, Parent, Traversal


class CountFields:
    """Counts fields with fragments expanded, and the calls that this takes. The scope is the depth."""

    def __init__(self) -> None:
        self.calls = 0

    def empty(self) -> int:
        return 0

    def scope_inside(self, node: Parent, scope: str) -> str:
        return f"{scope}.{node.name.value}" if isinstance(node, FieldNode) else scope

    def add_field(self, total: int, node: FieldNode, scope: str, below: int | None) -> int:
        self.calls += 1
        return total + 1 + (below or 0)

    def add_fragment(self, total: int, node: InlineFragmentNode | FragmentSpreadNode, part: int) -> int:
        return total + part


def fold(text: str) -> tuple[int, int]:
    """Return the fields of the first operation, and the calls of `add_field`."""
    document = parse(text)
    (operation, *_) = (d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    rule = CountFields()
    return Traversal(document, rule).total(operation.selection_set, ""), rule.calls


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{ a { b c { d } } }", 4),
        ("{ a { ...F } ...F } fragment F on T { b c }", 5),
        ("{ ... { a } ... on T { b ... on T { c } } }", 3),
        ("{ a ...Unknown }", 1),
    ],
)
def test_fields_and_fragments_are_visited(text: str, fields: int) -> None:
    assert fold(text)[0] == fields


def test_a_fragment_is_folded_once_per_scope() -> None:
    assert fold("{ ...F ...F a { ...F } b { ...F } } fragment F on T { x }") == (6, 5)


def test_fragments_that_double_take_linear_time() -> None:
    spreads = " ".join(f"fragment F{i} on T {{ ...F{i + 1} ...F{i + 1} }}" for i in range(40))
    assert fold("{ ...F0 } " + spreads + " fragment F40 on T { x }") == (2**40, 1)


@pytest.mark.parametrize(
    "fragments",
    ["fragment F on T { ...F }", "fragment F on T { a { ...G } } fragment G on T { ... { a { ...F } } }"],
)
def test_a_cycle_is_an_error(fragments: str) -> None:
    with pytest.raises(FragmentCycleError):
        fold("{ ...F } " + fragments)
