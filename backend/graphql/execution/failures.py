"""Expected failures of mutations, as types of the schema.

A mutation answers a union of its success type and of failure types. Services raise errors of `backend.core.errors`. If the
field's union has the failure type of such an error, the field answers that type. Any other field reports it among `errors`.
So a resolver only calls its service:

    RenameResult = Annotated[Thing | InvalidInput | NotFound, strawberry.union("RenameResult", description="…")]

    @mutation("Rename a thing.", right=Right.ADMIN)
    async def rename(self, info: Info, name: …) -> RenameResult:
        return to_thing(await info.context.things.rename(name))  # raises UserError(…, path=("name",)) or errors.NotFound
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import strawberry

from backend.core import errors
from backend.graphql.execution.strawberry_internals import StrawberryField


@strawberry.interface(description="An expected failure of a mutation.")
class Failure:
    message: str = strawberry.field(description="Human-readable cause and fix.")
    path: list[str] = strawberry.field(
        description="Path to the invalid argument, from the outside in; empty if no argument is invalid."
    )


@strawberry.type(description="An argument has an invalid value.")
class InvalidInput(Failure):
    pass


@strawberry.type(description="The object that an argument names does not exist.")
class NotFound(Failure):
    pass


@strawberry.type(description="The caller is not allowed to do this.")
class NotAllowed(Failure):
    pass


@strawberry.type(description="The present state does not allow the operation.")
class Conflict(Failure):
    pass


@strawberry.type(description="Too many attempts in a short time.")
class TooManyAttempts(Failure):
    retry_after_seconds: float = strawberry.field(description="Seconds until the next attempt is allowed.")


class _FailureHandler:
    """Converts exceptions of one type to one failure type, except those of the `excluded` subtypes."""

    def __init__(
        self,
        exception_type: type[errors.UserError],
        error_type: type[Failure],
        excluded: tuple[type[errors.UserError], ...] = (),
    ) -> None:
        self.exception_type = exception_type
        self.error_type = error_type
        self._excluded = excluded

    def handle(self, exception: errors.UserError, *, field: StrawberryField, info: Any) -> Failure | None:
        """Return the failure that the field answers; None to leave the exception to other handlers."""
        if isinstance(exception, self._excluded):
            return None
        common: dict[str, Any] = {"message": str(exception), "path": list(exception.path)}
        if isinstance(exception, errors.TooManyAttempts):
            common["retry_after_seconds"] = exception.retry_after_s
        return self.error_type(**common)


_SUBTYPES: Final[dict[type[errors.UserError], type[Failure]]] = {
    errors.NotFound: NotFound,
    errors.NotAllowed: NotAllowed,
    errors.Conflict: Conflict,
    errors.TooManyAttempts: TooManyAttempts,
}

HANDLERS: Final[Sequence[Any]] = (
    *(_FailureHandler(exception, failure) for exception, failure in _SUBTYPES.items()),
    _FailureHandler(errors.UserError, InvalidInput, tuple(_SUBTYPES)),
)
"""For `strawberry.Schema(exception_handlers=...)`. Each applies to the fields whose union has its failure type."""
