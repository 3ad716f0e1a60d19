"""How much one operation may ask for, checked before anything runs. The shape of documents is `shape`'s part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from backend.core.errors import UserError
from backend.graphql.context import Context
from backend.graphql.execution.cost import Sizes, cost_of

MAX_COST: Final = 1_000_000
"""Values one operation may ask for: a point of a series counts once for each of its columns."""
MAX_VARIABLE_VALUES: Final = 5_000
TOO_COSTLY: Final = "TOO_COSTLY"
TIMED_OUT: Final = "TIMED_OUT"


class Ready(SchemaExtension):
    """Hands over the document that `Documents` has parsed and validated, so that the library does neither again."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query is not None:
            context.graphql_document = context.schema.documents.prepare(context.query).document  # type: ignore[attr-defined]
        yield

    def on_validate(self) -> Iterator[None]:
        self.execution_context.pre_execution_errors = []
        yield


class Cost(SchemaExtension):
    """Refuses an operation that asks for too much, and says in every answer what it may have cost."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cost: int | None = None

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context
        document, asked = context.graphql_document, context.context
        if document is not None:
            sizes = Sizes.of(asked.queries) if isinstance(asked, Context) else Sizes()
            schema: Any = context.schema
            self._cost = cost_of(
                schema._schema, document, context.operation_name, context.variables or {}, sizes
            )
            if self._cost > self._limit:
                raise GraphQLError(
                    f"The query asks for up to {self._cost:,} values; the limit is {self._limit:,}: "
                    "ask for fewer series, a lower maxPoints, fewer statistics or shorter lists.",
                    extensions={"code": TOO_COSTLY, "cost": self._cost, "limit": self._limit},
                )
        yield

    def get_results(self) -> dict[str, Any]:
        if self._cost is None:
            return {}
        return {"cost": {"asked": self._cost, "limit": self._limit}}


def check_variables(variables: object) -> None:
    """Raises `UserError` where there are too many values: each is checked against its type, one by one."""
    room = MAX_VARIABLE_VALUES
    waiting = [variables]
    while waiting:
        value = waiting.pop()
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        room -= len(parts)
        if room < 0:
            raise UserError(
                f"The variables hold more than {MAX_VARIABLE_VALUES:,} values, which is the limit: ask in several queries."
            )
        waiting += parts
