"""Who asks by the released schema is still answered: fields leave only after a release in which they were deprecated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, build_schema, find_breaking_changes

ROOT = Path(__file__).resolve().parents[1]
RELEASED = ROOT / "docs" / "schema" / "released.graphql"
MAY_LEAVE = ("FIELD_REMOVED", "VALUE_REMOVED_FROM_ENUM")
"""Once they were deprecated. A type that nothing refers to any more has gone with its fields."""


def breaks(released: str, now: str) -> list[str]:
    """Breaking changes that nobody was warned of."""
    old = build_schema(released)
    return [
        change.description
        for change in find_breaking_changes(old, build_schema(now))
        if change.type.name != "TYPE_REMOVED"
        and not (change.type.name in MAY_LEAVE and _deprecated(old, change.description))
    ]


def _deprecated(old: GraphQLSchema, description: str) -> bool:
    """Whether what the sentence names was deprecated, as in `Field Query.old was removed.`"""
    named = re.search(r"(\w+)\.(\w+)", description)
    assert named is not None, description
    found = old.get_type(named[1])
    members = found.values if isinstance(found, GraphQLEnumType) else getattr(found, "fields", {})
    field = members.get(named[2])
    return field is not None and field.deprecation_reason is not None


def test_the_schema_breaks_nothing_that_was_released() -> None:
    now = (ROOT / "schema.graphql").read_text()
    assert breaks(RELEASED.read_text(), now) == [], (
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
def test_the_rule_itself(new: str, broken: int) -> None:
    assert len(breaks(OLD, new)) == broken
