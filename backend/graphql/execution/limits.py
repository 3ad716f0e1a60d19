"""Limits on one operation, checked before it starts: its cost and its variables. `shape.py` limits documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from backend.core.errors import UserError
from backend.graphql.context import Context
from backend.graphql.execution.cost import cost_of
from backend.graphql.execution.rules import Sizes
from backend.graphql.execution.strawberry_internals import core_schema, provide_document

if TYPE_CHECKING:
    from backend.graphql.execution.schema_class import Schema

MAX_COST: Final = 1_000_000
"""Values that one operation may read or answer. A point of a series counts once per column."""
MAX_VARIABLE_VALUES: Final = 5_000
TOO_COSTLY: Final = "TOO_COSTLY"
TIMED_OUT: Final = "TIMED_OUT"


class DocumentExtension(SchemaExtension):
    """Hands the document that `Documents` has parsed and validated to Strawberry, which then does neither."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query is not None:
            schema = cast("Schema", context.schema)
            provide_document(context, schema.documents.prepare(context.query).document)
        yield


class CostExtension(SchemaExtension):
    """Refuses operations above the cost limit, and reports the cost in every answer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cost: int | None = None

    def on_execute(self) -> Iterator[None]:
        run = self.execution_context
        if run.graphql_document is not None:
            schema = cast("Schema", run.schema)
            sizes = Sizes.of(run.context.queries) if isinstance(run.context, Context) else Sizes()
            self._cost = cost_of(
                core_schema(schema),
                schema.field_rules,
                run.graphql_document,
                run.operation_name,
                run.variables or {},
                sizes,
            )
            if self._cost > self._limit:
                raise GraphQLError(
                    f"The query may return {self._cost:,} values (limit {self._limit:,}). "
                    "Request fewer series, a lower maxPoints, fewer statistics or shorter lists.",
                    extensions={"code": TOO_COSTLY, "cost": self._cost, "limit": self._limit},
                )
        yield

    def get_results(self) -> dict[str, Any]:
        if self._cost is None:
            return {}
        return {"cost": {"asked": self._cost, "limit": self._limit}}


def check_variables(variables: object) -> None:
    """Raise `UserError` if the variables hold too many values. Validation takes time for each of them."""
    remaining = MAX_VARIABLE_VALUES
    pending = [variables]
    while pending:
        value = pending.pop()
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        remaining -= len(parts)
        if remaining < 0:
            raise UserError(
                f"The variables have more than {MAX_VARIABLE_VALUES:,} values (limit). "
                "Split the request into several."
            )
        pending += parts
