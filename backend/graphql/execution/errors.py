"""Errors as a client sees them: everything that the client can fix, and no internals of the server."""

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
_UNAVAILABLE_MESSAGE = "The data store cannot be reached now. No data is lost; retry in a moment."


def _root_cause(error: GraphQLError) -> BaseException | None:
    """Return the exception behind an error. graphql-core wraps errors of scalars more than once."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def describe(error: GraphQLError) -> GraphQLError:
    """Return the error with a code and a message for the client.

    An unexpected error gets an id instead of its message, and is logged once under that id.
    """
    if error.extensions and "code" in error.extensions:
        return error
    cause = _root_cause(error)
    if cause is None:  # a fault of the document: syntax, validation, limits
        return _replaced(error, error.message, {"code": BAD_INPUT})
    if isinstance(cause, UserError):
        return _replaced(error, str(cause), _user_error_extensions(cause))
    if isinstance(cause, TransientError):
        # The store or the bus logs its own outage, once.
        log.debug("query failed, store unavailable cause=%s", cause)
        return _replaced(error, _UNAVAILABLE_MESSAGE, {"code": UNAVAILABLE})
    # The id of the request, so that one search of the log finds all its lines. A subscription outlives its request.
    error_id = request_id.get() or secrets.token_hex(8)
    path = ".".join(map(str, error.path or ()))
    log.error("unexpected error id=%s path=%s", error_id, path or "-", exc_info=cause)
    return _replaced(
        error,
        f"Unexpected error. Search the server log for id {error_id}.",
        {"code": INTERNAL, "id": error_id},
    )


def _user_error_extensions(cause: UserError) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": next(code for kind, code in _CODES if isinstance(cause, kind))}
    if cause.path:
        extensions["argument"] = list(cause.path)
    if isinstance(cause, TooManyAttempts):
        extensions["retryAfterSeconds"] = cause.retry_after_s
    return extensions


def _replaced(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={**(error.extensions or {}), **extensions},
    )


def replace_errors(result: object) -> list[str]:
    """Describe the errors of a result in place. Return their codes."""
    if not isinstance(result, (CoreResult, ExecutionResult)) or not result.errors:
        return []
    result.errors = [describe(e) for e in result.errors]
    return [str((e.extensions or {}).get("code")) for e in result.errors]


class StreamErrorsExtension(SchemaExtension):
    """Describes and counts the errors in every result of a subscription before it is sent."""

    def __init__(self, error_counts: Counter[str]) -> None:
        self._error_counts = error_counts

    def on_stream_result(self, result: object) -> Iterator[None]:
        self._error_counts.update(replace_errors(result))
        yield
