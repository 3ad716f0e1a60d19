"""Every use of Strawberry's private or undocumented API. An upgrade of Strawberry needs a check of this file only.

| name here | in Strawberry 0.341 | reason |
|---|---|---|
| `core_schema` | `Schema._schema` | validation, shape, cost and rights work on graphql-core's schema |
| `definition_of` | `GraphQLField.extensions["strawberry-definition"]` | a field's metadata holds its right and its cost |
| `is_plain_attribute` | `StrawberryField.is_basic_field` | the fast path reads such fields without a resolver call |
| `CoreExecutionContext` | base class of the executor | the fast path overrides `execute_fields` |
| `provide_document` | `ExecutionContext.graphql_document`, `pre_execution_errors` | `documents.py` parses and validates |
| `VALIDATION_RULES` | rules that Strawberry adds to graphql-core's | `documents.py` validates without Strawberry |
| `PreExecutionError` | result of an operation that did not start | refusals get the same HTTP handling as Strawberry's own |
| `TransportWSHandler` | handler of one graphql-transport-ws connection | `socket.py` adds checks of messages, and close codes |
| `WebSocketDisconnected` | signal that the client has left | it ends a connection without an error |
"""

from __future__ import annotations

from typing import Any, Final

import strawberry
from graphql import DocumentNode, GraphQLField, GraphQLSchema
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutionContext
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler as TransportWSHandler,
)
from strawberry.types import ExecutionContext
from strawberry.types.execution import PreExecutionError
from strawberry.types.field import StrawberryField

__all__ = [
    "VALIDATION_RULES",
    "CoreExecutionContext",
    "PreExecutionError",
    "StrawberryField",
    "TransportWSHandler",
    "WebSocketDisconnected",
    "core_schema",
    "definition_of",
    "is_plain_attribute",
    "provide_document",
]

VALIDATION_RULES: Final = (MaybeNullValidationRule, OneOfInputValidationRule)


def core_schema(schema: Any) -> GraphQLSchema:
    """Return graphql-core's schema behind a `strawberry.Schema`."""
    assert isinstance(schema, strawberry.Schema)
    core: GraphQLSchema = schema._schema
    return core


def definition_of(field: GraphQLField) -> StrawberryField | None:
    """Return Strawberry's definition of a field; None for a field of graphql-core, such as `__schema`."""
    definition: StrawberryField | None = field.extensions.get("strawberry-definition")
    return definition


def is_plain_attribute(field: GraphQLField) -> bool:
    """Return whether the field only reads an attribute: no resolver, no arguments, no extension."""
    definition = definition_of(field)
    return definition is not None and definition.is_basic_field and not field.args


def provide_document(context: ExecutionContext, document: DocumentNode | None) -> None:
    """Set the parsed and validated document of an operation, so that Strawberry skips both steps."""
    context.graphql_document = document
    context.pre_execution_errors = []
