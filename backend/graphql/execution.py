"""How an operation is run: errors are described, and equal subscriptions share one run."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson
import strawberry
from graphql import DocumentNode, GraphQLError, OperationType, get_operation_ast, parse
from strawberry.types import ExecutionContext, ExecutionResult

from backend.graphql.errors import replace_errors
from backend.graphql.fanout import FanOut, Results
from backend.graphql.limits import MAX_TOKENS


class Schema(strawberry.Schema):
    """Describes errors, those of parsing too, which no extension sees; leaves their logging to `describe`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fan_out = FanOut()

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        result = await super().execute(*args, **kwargs)
        replace_errors(result)
        return result

    async def stream(self, query: str | None, variable_values: Any = None, *rest: Any, **kwargs: Any) -> Any:
        """Results of one operation. All may read all, so that equal subscriptions are equal for everybody."""

        async def start() -> Results:
            return await super(Schema, self).stream(query, variable_values, *rest, **kwargs)

        name = kwargs.get("operation_name")
        if query is None or not _is_subscription(query, name):
            return await start()
        key = orjson.dumps([query, name, variable_values], option=orjson.OPT_SORT_KEYS)
        return self.fan_out.watch(key, start)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None: ...


def _is_subscription(query: str, name: str | None) -> bool:
    document = _parsed(query) if "subscription" in query else None
    operation = None if document is None else get_operation_ast(document, name)
    return operation is not None and operation.operation is OperationType.SUBSCRIPTION


@lru_cache(maxsize=128)
def _parsed(query: str) -> DocumentNode | None:
    """The document; None where it does not parse, which the run itself will report."""
    try:
        return parse(query, max_tokens=MAX_TOKENS)
    except GraphQLError:
        return None
