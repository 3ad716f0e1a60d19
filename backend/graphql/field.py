"""Small helpers that keep resolvers typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from backend.graphql.context import Info

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

NOT_GIVEN: Any = strawberry.UNSET
"""Default of an optional argument: the schema shows none, and null means the same."""


def given(value: T | None) -> T | None:
    """The argument, None where it was left out."""
    return None if value is strawberry.UNSET else value


def query(description: str) -> Callable[[F], F]:
    """A field with a resolver."""
    return cast("Callable[[F], F]", strawberry.field(description=description))


def mutation(description: str) -> Callable[[F], F]:
    """A field that changes something; how it may fail is part of its union (`backend/graphql/execution/failures.py`)."""
    return cast("Callable[[F], F]", strawberry.mutation(description=description))


def subscription(description: str) -> Callable[[F], F]:
    """A field whose resolver is an asynchronous generator."""
    return cast("Callable[[F], F]", strawberry.subscription(description=description))


def member(value: str, description: str) -> str:
    """A member of an enumeration with its description."""
    return cast("str", strawberry.enum_value(value, description=description))


def optional_id(value: str | None) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(value)


def selects(info: Info, name: str) -> bool:
    """Whether a field below this one is asked for, directly or in a fragment: what is not need not be read."""
    return any(_within(selection, name) for field in info.selected_fields for selection in field.selections)


def _within(selection: Selection, name: str) -> bool:
    if isinstance(selection, SelectedField):
        return selection.name == name
    return any(_within(below, name) for below in selection.selections)
