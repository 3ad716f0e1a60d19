"""The schema that runs operations: within their limits, with described errors, and with shared subscriptions."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
import strawberry
from cachetools import FIFOCache
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from strawberry.types import ExecutionContext, ExecutionResult

from backend.core.errors import UserError
from backend.core.measure import Timing
from backend.graphql.execution.documents import Documents
from backend.graphql.execution.errors import replace_errors
from backend.graphql.execution.fanout import FanOut, Results
from backend.graphql.execution.limits import TIMED_OUT, check_variables
from backend.graphql.execution.rules import read_rules
from backend.graphql.execution.strawberry_internals import PreExecutionError, core_schema
from backend.graphql.scalars import dumps

QUERY: Final = OperationType.QUERY.value
SUBSCRIPTION: Final = OperationType.SUBSCRIPTION.value
UNNAMED: Final = "(unnamed)"
OTHERS: Final = "(others)"
MAX_NAMES: Final = 100
_MAX_INTROSPECTION_RESULTS: Final = 16


@dataclass(slots=True)
class Operations:
    """Counts and durations since the start of the process.

    started    operations by type: query, mutation, subscription
    errors     errors by code
    seconds    durations of queries and mutations by type
    named      the same durations by operation name
    """

    started: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, Timing] = field(default_factory=lambda: defaultdict(Timing))
    named: dict[str, Timing] = field(default_factory=dict)

    def timing_of(self, name: str) -> Timing:
        """Return the durations of one operation name. Clients choose names, so names after the first 100 share one."""
        key = name if name in self.named or len(self.named) < MAX_NAMES else OTHERS
        return self.named.setdefault(key, Timing())


@dataclass(frozen=True, slots=True)
class _AcceptedOperation:
    """An operation that may run.

    name              the `operationName` of the request; None if the document has one operation only
    kind              query, mutation or subscription
    label             the name in the metrics
    """

    text: str | None
    name: str | None
    kind: str
    is_introspection: bool = False
    label: str = UNNAMED


class Schema(strawberry.Schema):
    """A Strawberry schema with documents by hash, a time limit, described errors and shared subscriptions.

    Raises `MissingRightError` on construction if a root field declares no right.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.operations: Operations = kwargs.pop("operations")
        self._time_limit_s: float | None = kwargs.pop("time_limit_s", None)
        options: Mapping[str, Any] = kwargs.pop("document_options", {})
        super().__init__(*args, **kwargs)
        self.field_rules = read_rules(core_schema(self))
        self.documents = Documents(core_schema(self), options.pop("persisted", {}), **options)  # type: ignore[attr-defined]
        self.fan_out = FanOut()
        self._introspection_results: FIFOCache[bytes, ExecutionResult] = FIFOCache(_MAX_INTROSPECTION_RESULTS)

    async def execute(
        self, query: str | None, variable_values: dict[str, Any] | None = None, *args: Any, **kwargs: Any
    ) -> ExecutionResult:
        """Run a query or mutation and return its result, within the time limit."""
        accepted = await self._accept(query, variable_values, kwargs)
        if isinstance(accepted, ExecutionResult):
            return accepted
        self.operations.started[accepted.kind] += 1
        key = _key(accepted, variable_values) if accepted.is_introspection else None
        cached = self._introspection_results.get(key) if key is not None else None
        if cached is not None:
            return cached
        by_name = self.operations.timing_of(accepted.label)
        with self.operations.seconds[accepted.kind].measure(), by_name.measure():
            result = await self._within_time(
                super().execute(accepted.text, variable_values, *args, **kwargs), accepted.kind
            )
        self.operations.errors.update(replace_errors(result))
        if key is not None and not result.errors:
            self._cache_introspection(key, result)
        return result

    async def stream(
        self, query: str | None, variable_values: dict[str, Any] | None = None, *rest: Any, **kwargs: Any
    ) -> Any:
        """Return the results of one operation. Equal subscriptions share one run: their answers depend on no user."""
        accepted = await self._accept(query, variable_values, kwargs)
        if isinstance(accepted, ExecutionResult):
            return _single_result(accepted)
        if accepted.kind != SUBSCRIPTION:
            return self._execute_once(query, variable_values, *rest, **kwargs)

        async def start() -> Results:
            return await super(Schema, self).stream(accepted.text, variable_values, *rest, **kwargs)

        self.operations.started[accepted.kind] += 1
        return self.fan_out.subscribe(_key(accepted, variable_values), start)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Do nothing: `describe` logs unexpected errors."""

    async def _accept(
        self, query: str | None, variables: dict[str, Any] | None, options: Mapping[str, Any]
    ) -> _AcceptedOperation | ExecutionResult:
        """Return the operation, or the answer that says why it does not run."""
        name = options.get("operation_name")
        try:
            text = self.documents.text_of(query, options.get("operation_extensions"))
            check_variables(variables)
        except GraphQLError as error:
            return self._refuse([error])
        except UserError as error:
            return self._refuse([GraphQLError(str(error))])
        if not text:
            return _AcceptedOperation(text, name, QUERY)  # Strawberry reports the missing document
        prepared = await self.documents.prepare_in_steps(text)
        if prepared.document is None:
            return self._refuse(list(prepared.errors))
        operation = get_operation_ast(prepared.document, name)
        if operation is None:
            return self._refuse([GraphQLError(_missing_operation(prepared.document, name))])
        kind = operation.operation.value
        is_introspection = kind == QUERY and _is_introspection(prepared.document)
        label = UNNAMED if operation.name is None else operation.name.value
        return _AcceptedOperation(text, name, kind, is_introspection, label)

    def _refuse(self, errors: list[GraphQLError]) -> ExecutionResult:
        result = PreExecutionError(data=None, errors=errors)
        self.operations.started[QUERY] += 1
        self.operations.errors.update(replace_errors(result))
        return result

    async def _within_time(self, run: Any, kind: str) -> ExecutionResult:
        try:
            async with asyncio.timeout(self._time_limit_s):
                return cast("ExecutionResult", await run)
        except TimeoutError:
            advice = "request less data" if kind == QUERY else "check whether it took effect before you retry"
            message = f"The {kind} took longer than {self._time_limit_s:g} s and was stopped: {advice}."
            return PreExecutionError(
                data=None, errors=[GraphQLError(message, extensions={"code": TIMED_OUT})]
            )

    async def _execute_once(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ExecutionResult, None]:
        """Yield the one result of a query or mutation over a socket, within the same limits as over HTTP."""
        yield await self.execute(*args, **kwargs)

    def _cache_introspection(self, key: bytes, result: ExecutionResult) -> None:
        """Keep the encoded answer: it never changes, and its execution takes long."""
        data = cast("dict[str, Any]", orjson.Fragment(dumps(result.data)))
        self._introspection_results[key] = ExecutionResult(
            data=data, errors=None, extensions=result.extensions
        )


async def _single_result(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def _key(accepted: _AcceptedOperation, variables: dict[str, Any] | None) -> bytes:
    """Return a key that is equal for operations with equal answers."""
    return orjson.dumps([accepted.text, accepted.name, variables], option=orjson.OPT_SORT_KEYS)


def _missing_operation(document: DocumentNode, name: str | None) -> str:
    """Return the message for an `operationName` that selects no operation."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    names = ", ".join(repr(d.name.value) for d in operations if d.name)
    if name is None:
        return f"The document has {len(operations)} operations ({names}): select one with `operationName`."
    return f"The document has no operation {name!r}; it has {names or 'one without a name'}."


def _is_introspection(document: DocumentNode) -> bool:
    """Return whether all operations select only `__schema` and `__type`, without a fragment at the top level."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    return all(
        isinstance(node, FieldNode) and node.name.value in ("__schema", "__type")
        for operation in operations
        for node in operation.selection_set.selections
    )
