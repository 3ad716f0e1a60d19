"""How an operation is run: errors are described, and equal subscriptions share one run."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson
import strawberry
from graphql import DocumentNode, GraphQLError, OperationType, get_operation_ast, parse
from strawberry.types import ExecutionContext, ExecutionResult

from backend.core.measure import Timing
from backend.graphql.errors import replace_errors
from backend.graphql.fanout import FanOut, Results
from backend.graphql.limits import MAX_TOKENS

QUERY: Final = OperationType.QUERY.value
SUBSCRIPTION: Final = OperationType.SUBSCRIPTION.value


@dataclass(slots=True)
class Operations:
    """Since the start: operations by type, errors by code, and how long those over HTTP took by type."""

    begun: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, Timing] = field(default_factory=lambda: defaultdict(Timing))


class Schema(strawberry.Schema):
    """Describes errors, those of parsing too, which no extension sees; leaves their logging to `describe`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.operations: Operations = kwargs.pop("operations")
        super().__init__(*args, **kwargs)
        self.fan_out = FanOut()

    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> ExecutionResult:
        kind = _kind(query, kwargs.get("operation_name"))
        self.operations.begun[kind] += 1
        with self.operations.seconds[kind].measured():
            result = await super().execute(query, *args, **kwargs)
        self.operations.errors.update(replace_errors(result))
        return result

    async def stream(self, query: str | None, variable_values: Any = None, *rest: Any, **kwargs: Any) -> Any:
        """Results of one operation. All may read all, so that equal subscriptions are equal for everybody."""

        async def start() -> Results:
            return await super(Schema, self).stream(query, variable_values, *rest, **kwargs)

        name = kwargs.get("operation_name")
        kind = _kind(query, name)
        self.operations.begun[kind] += 1
        if kind != SUBSCRIPTION:
            return await start()
        key = orjson.dumps([query, name, variable_values], option=orjson.OPT_SORT_KEYS)
        return self.fan_out.watch(key, start)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None: ...


def _kind(query: str | None, name: str | None) -> str:
    """`query`, `mutation` or `subscription`; what cannot be read counts as a query. Parses only where there is a doubt."""
    if query is None or not ("subscription" in query or "mutation" in query):
        return QUERY
    document = _parsed(query)
    operation = None if document is None else get_operation_ast(document, name)
    return QUERY if operation is None else operation.operation.value


@lru_cache(maxsize=128)
def _parsed(query: str) -> DocumentNode | None:
    """The document; None where it does not parse, which the run itself will report."""
    try:
        return parse(query, max_tokens=MAX_TOKENS)
    except GraphQLError:
        return None
