"""What a client learns of a failure: all of what it can mend, nothing of what it cannot."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from graphql import ExecutionResult as CoreResult
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from backend.core.errors import Conflict, NotAllowed, NotFound, TooManyAttempts, TransientError, UserError
from backend.core.logs import request_id

log = logging.getLogger("seduce.graphql")

BAD_INPUT: Final = "BAD_USER_INPUT"
_CODES: Final[tuple[tuple[type[UserError], str], ...]] = (
    (NotFound, "NOT_FOUND"),
    (NotAllowed, "FORBIDDEN"),
    (Conflict, "CONFLICT"),
    (TooManyAttempts, "TOO_MANY_ATTEMPTS"),
    (UserError, BAD_INPUT),
)
UNAVAILABLE: Final = "UNAVAILABLE"
INTERNAL: Final = "INTERNAL"
_UNAVAILABLE_MESSAGE = "The data cannot be reached now; nothing is lost. Try again in a moment."


def _root_cause(error: GraphQLError) -> BaseException | None:
    """The exception behind an error; values that a scalar refused are wrapped more than once."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def describe(error: GraphQLError) -> GraphQLError:
    """The error as a client may see it; what is unexpected gets an id and is logged under it once."""
    if error.extensions and "code" in error.extensions:
        return error
    cause = _root_cause(error)
    if cause is None:  # the document's own faults: syntax, validation, limits
        return _with(error, error.message, {"code": BAD_INPUT})
    if isinstance(cause, UserError):
        return _with(error, str(cause), _mendable(cause))
    if isinstance(cause, TransientError):
        log.debug("A query could not reach its data: %s", cause)  # who lost it has logged the loss
        return _with(error, _UNAVAILABLE_MESSAGE, {"code": UNAVAILABLE})
    # The request's own id, so that one search of the log finds all of it; a subscription outlives its request.
    error_id = request_id.get() or secrets.token_hex(8)
    path = ".".join(map(str, error.path or ()))
    log.error("Unexpected error %s at %s", error_id, path or "the query", exc_info=cause)
    return _with(
        error,
        f"Unexpected error {error_id}. It is logged under this id; an operator can look it up.",
        {"code": INTERNAL, "id": error_id},
    )


def _mendable(cause: UserError) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": next(code for kind, code in _CODES if isinstance(cause, kind))}
    if cause.path:
        extensions["argument"] = list(cause.path)
    if isinstance(cause, TooManyAttempts):
        extensions["retryAfterSeconds"] = cause.retry_after_s
    return extensions


def _with(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={**(error.extensions or {}), **extensions},
    )


def replace_errors(result: object) -> list[str]:
    """Describe the errors of a result in place; answers their codes."""
    if not isinstance(result, (CoreResult, ExecutionResult)) or not result.errors:
        return []
    result.errors = [describe(e) for e in result.errors]
    return [str((e.extensions or {}).get("code")) for e in result.errors]


class DescribeStream(SchemaExtension):
    """Describes the errors of every result of a stream, before it leaves, and counts them."""

    def __init__(self, errors: Counter[str]) -> None:
        self._errors = errors

    def on_stream_result(self, result: object) -> Iterator[None]:
        self._errors.update(replace_errors(result))
        yield
