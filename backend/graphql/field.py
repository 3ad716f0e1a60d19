"""Decorators of GraphQL fields. Each field stands in one place with its description, right, cost and resolver.

    @query("Sensors that match all filters.", right=Right.READ, cost=page_cost(100))
    async def sensors(self, info: Info, …) -> SensorConnection: …

A field of Query, Mutation or Subscription must declare a right: without one the schema is not built. A field of another type
inherits the rights of the fields above it, and may need one more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.rules import Cost, rules

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

NOT_GIVEN: Any = strawberry.UNSET
"""Default of an optional argument: the schema shows no default, and null means the same."""


def value_or_none(value: T | None) -> T | None:
    """Return the value of an optional argument; None if the client left it out."""
    return None if value is strawberry.UNSET else value


def query(description: str, *, right: Right, cost: Cost | None = None) -> Callable[[F], F]:
    """Declare a field of Query with its resolver."""
    metadata = rules(right=right, cost=cost)
    return cast("Callable[[F], F]", strawberry.field(description=description, metadata=metadata))


def mutation(description: str, *, right: Right, cost: Cost | None = None) -> Callable[[F], F]:
    """Declare a field of Mutation. Its result union names the expected failures (`execution/failures.py`)."""
    metadata = rules(right=right, cost=cost)
    return cast("Callable[[F], F]", strawberry.mutation(description=description, metadata=metadata))


def subscription(description: str, *, right: Right, cost: Cost | None = None) -> Callable[[F], F]:
    """Declare a field of Subscription. Its resolver is an asynchronous generator."""
    metadata = rules(right=right, cost=cost)
    return cast("Callable[[F], F]", strawberry.subscription(description=description, metadata=metadata))


def resolver(description: str, *, right: Right | None = None, cost: Cost | None = None) -> Callable[[F], F]:
    """Declare a field of an object type with its resolver. `right`: a right beyond those of the fields above."""
    metadata = rules(right=right, cost=cost)
    return cast("Callable[[F], F]", strawberry.field(description=description, metadata=metadata))


def member(value: str, description: str) -> str:
    """Declare a member of an enumeration."""
    return cast("str", strawberry.enum_value(value, description=description))


def optional_id(value: str | None) -> strawberry.ID | None:
    """Return a GraphQL ID; None for None."""
    return None if value is None else strawberry.ID(value)


def selects(info: Info, name: str) -> bool:
    """Return whether the client selects the field `name` below this one, directly or in a fragment."""
    return any(
        _has_field(selection, name) for field in info.selected_fields for selection in field.selections
    )


def _has_field(selection: Selection, name: str) -> bool:
    if isinstance(selection, SelectedField):
        return selection.name == name
    return any(_has_field(below, name) for below in selection.selections)
