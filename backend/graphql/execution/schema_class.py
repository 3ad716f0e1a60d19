"""How an operation is run: within its limits, with errors described, and equal subscriptions sharing one run."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError

from backend.core.errors import UserError
from backend.core.measure import Timing
from backend.graphql.execution.documents import Documents
from backend.graphql.execution.errors import replace_errors
from backend.graphql.execution.fanout import FanOut, Results
from backend.graphql.execution.limits import TIMED_OUT, check_variables
from backend.graphql.scalars import dumps

QUERY: Final = OperationType.QUERY.value
SUBSCRIPTION: Final = OperationType.SUBSCRIPTION.value
UNNAMED: Final = "(unnamed)"
OTHERS: Final = "(others)"
NAMES_KEPT: Final = 100
_ABOUT_SCHEMA_KEPT: Final = 16


@dataclass(slots=True)
class Operations:
    """Since the start: operations by type, errors by code, and how long those over HTTP took, by type and by name."""

    begun: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, Timing] = field(default_factory=lambda: defaultdict(Timing))
    named: dict[str, Timing] = field(default_factory=dict)

    def of(self, name: str) -> Timing:
        """By name; clients choose names, so that those beyond the first hundred share one."""
        known = name if name in self.named or len(self.named) < NAMES_KEPT else OTHERS
        return self.named.setdefault(known, Timing())


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An operation that may run: its text, which of the document's operations it is, and of what type."""

    text: str | None
    name: str | None
    kind: str
    about_schema: bool = False
    called: str = UNNAMED


class Schema(strawberry.Schema):
    """Takes documents by text or hash, keeps to the time limit, and describes every error before it leaves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.operations: Operations = kwargs.pop("operations")
        self._time_limit_s: float | None = kwargs.pop("time_limit_s", None)
        options: Mapping[str, Any] = kwargs.pop("document_options", {})
        super().__init__(*args, **kwargs)
        self.documents = Documents(self._schema, options.pop("persisted", {}), **options)  # type: ignore[attr-defined]
        self.fan_out = FanOut()
        self._about_schema: dict[bytes, ExecutionResult] = {}

    async def execute(
        self, query: str | None, variable_values: dict[str, Any] | None = None, *args: Any, **kwargs: Any
    ) -> ExecutionResult:
        accepted = await self._accept(query, variable_values, kwargs)
        if isinstance(accepted, ExecutionResult):
            return accepted
        self.operations.begun[accepted.kind] += 1
        key = _key(accepted, variable_values) if accepted.about_schema else None
        known = self._about_schema.get(key) if key is not None else None
        if known is not None:
            return known
        by_name = self.operations.of(accepted.called)
        with self.operations.seconds[accepted.kind].measured(), by_name.measured():
            result = await self._within_time(
                super().execute(accepted.text, variable_values, *args, **kwargs), accepted.kind
            )
        self.operations.errors.update(replace_errors(result))
        if key is not None and not result.errors:
            self._keep(key, result)
        return result

    async def stream(
        self, query: str | None, variable_values: dict[str, Any] | None = None, *rest: Any, **kwargs: Any
    ) -> Any:
        """Results of one operation. All may read all, so that equal subscriptions are equal for everybody."""
        accepted = await self._accept(query, variable_values, kwargs)
        if isinstance(accepted, ExecutionResult):
            return _only(accepted)
        if accepted.kind != SUBSCRIPTION:
            return self._once(query, variable_values, *rest, **kwargs)

        async def start() -> Results:
            return await super(Schema, self).stream(accepted.text, variable_values, *rest, **kwargs)

        self.operations.begun[accepted.kind] += 1
        return self.fan_out.watch(_key(accepted, variable_values), start)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """`describe` logs what is worth it."""

    async def _accept(
        self, query: str | None, variables: dict[str, Any] | None, options: Mapping[str, Any]
    ) -> _Accepted | ExecutionResult:
        """The operation, or the answer that says why it does not run."""
        name = options.get("operation_name")
        try:
            text = self.documents.text_of(query, options.get("operation_extensions"))
            check_variables(variables)
        except GraphQLError as error:
            return self._refused([error])
        except UserError as error:
            return self._refused([GraphQLError(str(error))])
        if not text:
            return _Accepted(text, name, QUERY)  # the library says what is missing
        prepared = await self.documents.ready(text)
        if prepared.document is None:
            return self._refused(list(prepared.errors))
        operation = get_operation_ast(prepared.document, name)
        if operation is None:
            return self._refused([GraphQLError(_no_operation(prepared.document, name))])
        kind = operation.operation.value
        about_schema = kind == QUERY and _is_about_schema(prepared.document)
        called = UNNAMED if operation.name is None else operation.name.value
        return _Accepted(text, name, kind, about_schema, called)

    def _refused(self, errors: list[GraphQLError]) -> ExecutionResult:
        result = PreExecutionError(data=None, errors=errors)
        self.operations.begun[QUERY] += 1
        self.operations.errors.update(replace_errors(result))
        return result

    async def _within_time(self, run: Any, kind: str) -> ExecutionResult:
        try:
            async with asyncio.timeout(self._time_limit_s):
                return cast("ExecutionResult", await run)
        except TimeoutError:
            what = (
                "ask for less at once" if kind == QUERY else "look whether it was done before you try again"
            )
            message = f"It took longer than {self._time_limit_s:g} s and was stopped: {what}."
            return PreExecutionError(
                data=None, errors=[GraphQLError(message, extensions={"code": TIMED_OUT})]
            )

    async def _once(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ExecutionResult, None]:
        """A query or mutation over a socket: one result, within the same limits as over HTTP."""
        yield await self.execute(*args, **kwargs)

    def _keep(self, key: bytes, result: ExecutionResult) -> None:
        """What is asked of the schema itself never changes, and takes the executor long."""
        if len(self._about_schema) >= _ABOUT_SCHEMA_KEPT:
            self._about_schema.pop(next(iter(self._about_schema)))
        data = cast("dict[str, Any]", orjson.Fragment(dumps(result.data)))
        self._about_schema[key] = ExecutionResult(data=data, errors=None, extensions=result.extensions)


async def _only(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def _key(accepted: _Accepted, variables: dict[str, Any] | None) -> bytes:
    return orjson.dumps([accepted.text, accepted.name, variables], option=orjson.OPT_SORT_KEYS)


def _no_operation(document: DocumentNode, name: str | None) -> str:
    found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    names = ", ".join(repr(d.name.value) for d in found if d.name)
    if name is None:
        return f"The document has {len(found)} operations ({names}): say which by `operationName`."
    return f"The document has no operation {name!r}; it has {names or 'one without a name'}."


def _is_about_schema(document: DocumentNode) -> bool:
    """Whether nothing but `__schema` and `__type` is asked for, without a fragment at the top."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    return all(
        isinstance(node, FieldNode) and node.name.value in ("__schema", "__type")
        for operation in operations
        for node in operation.selection_set.selections
    )
