"""Every way into the application, and the least that can be asked of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
)
from starlette.routing import Mount, Route, WebSocketRoute

from backend.processes.application import Application

FILE = Path(__file__).resolve().parents[2] / "schema.graphql"
LEAVES = {"Int": "1", "Float": "1", "Boolean": "true", "DateTime": '"2026-11-23T10:00:00Z"'}


@dataclass(frozen=True)
class Field:
    """A field of a root type, with an operation that has nothing else."""

    name: str
    operation: str
    document: str


def schema() -> GraphQLSchema:
    return build_schema(FILE.read_text(encoding="utf-8"))


def fields() -> Iterator[Field]:
    released = schema()
    roots = (
        ("query", released.query_type),
        ("mutation", released.mutation_type),
        ("subscription", released.subscription_type),
    )
    for operation, root in roots:
        assert isinstance(root, GraphQLObjectType)
        for name, field in root.fields.items():
            yield Field(f"{root.name}.{name}", operation, f"{operation} {{ {_selection(name, field)} }}")


def _selection(name: str, field: GraphQLField) -> str:
    arguments = [
        f"{argument}: {_value(definition.type)}"
        for argument, definition in field.args.items()
        if isinstance(definition.type, GraphQLNonNull)
    ]
    below = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    return f"{name}({', '.join(arguments)}){below}" if arguments else f"{name}{below}"


def _value(kind: Any) -> str:
    if isinstance(kind, GraphQLNonNull):
        return _value(kind.of_type)
    if isinstance(kind, GraphQLList):
        return f"[{_value(kind.of_type)}]"
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = {n: f for n, f in kind.fields.items() if isinstance(f.type, GraphQLNonNull)}
        return "{" + ", ".join(f"{name}: {_value(field.type)}" for name, field in needed.items()) + "}"
    return LEAVES.get(kind.name, '"x"')


def routes(app: Application) -> Iterator[str]:
    """Yield the paths of all push endpoints and routes, as they are declared."""
    yield from app.push_endpoints
    for route in app.routes:
        assert isinstance(route, (Route, WebSocketRoute, Mount)), f"what is {route!r}?"
        yield route.path
