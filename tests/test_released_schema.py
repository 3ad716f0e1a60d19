"""Clients of the released schema keep working: a field is removed only after a release that deprecated it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, build_schema, find_breaking_changes

ROOT = Path(__file__).resolve().parents[1]
RELEASED = ROOT / "docs" / "schema" / "released.graphql"
REMOVALS = ("FIELD_REMOVED", "VALUE_REMOVED_FROM_ENUM")
"""Changes that are allowed once the field or value was deprecated. A type may disappear with its last field."""


def breaking_changes(released: str, now: str) -> list[str]:
    """Return the breaking changes without an earlier deprecation."""
    old = build_schema(released)
    return [
        change.description
        for change in find_breaking_changes(old, build_schema(now))
        if change.type.name != "TYPE_REMOVED"
        and not (change.type.name in REMOVALS and _deprecated(old, change.description))
    ]


def _deprecated(old: GraphQLSchema, description: str) -> bool:
    """Return whether the field or value in a sentence was deprecated, as in `Field Query.old was removed.`"""
    named = re.search(r"(\w+)\.(\w+)", description)
    assert named is not None, description
    kind = old.get_type(named[1])
    members = kind.values if isinstance(kind, GraphQLEnumType) else getattr(kind, "fields", {})
    field = members.get(named[2])
    return field is not None and field.deprecation_reason is not None


def test_the_schema_is_compatible_with_the_released_one() -> None:
    now = (ROOT / "schema.graphql").read_text()
    assert breaking_changes(RELEASED.read_text(), now) == [], (
        "deprecate it for a release first: docs/how-to/follow-the-schema.md"
    )


OLD = """
type Query { a: Int  b: Int @deprecated(reason: "ask a")  c(x: Int): Int  k: K }
enum K { ONE TWO @deprecated(reason: "gone") }
"""


@pytest.mark.parametrize(
    ("new", "broken"),
    [
        (OLD, 0),
        (OLD.replace('b: Int @deprecated(reason: "ask a")', ""), 0),
        (OLD.replace("a: Int ", ""), 1),
        (OLD.replace("a: Int ", "a: String "), 1),
        (OLD.replace("c(x: Int)", "c(x: Int!)"), 1),
        (OLD.replace("a: Int ", "a: Int!  d: Int "), 0),
        (OLD.replace('TWO @deprecated(reason: "gone")', ""), 0),
        (OLD.replace("ONE ", ""), 1),
    ],
)
def test_breaking_changes_are_detected(new: str, broken: int) -> None:
    assert len(breaking_changes(OLD, new)) == broken
