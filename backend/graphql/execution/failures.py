"""What mutations answer when they fail as expected.

A mutation answers a union: what it made or changed, or one of the types below. Services raise errors of
`backend.core.errors`. A field whose union has the type that belongs to such an error answers that type; any other field
reports it among `errors`. So a resolver only calls its service:

    RenameResult = Annotated[Thing | InvalidInput | NotFound, strawberry.union("RenameResult", description="…")]

    @mutation("Gives a thing another name.")
    async def rename(self, info: Info, name: …) -> RenameResult:
        return to_thing(await info.context.things.rename(name))  # raises UserError(…, path=("name",)), errors.NotFound
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import strawberry
from strawberry.types.field import StrawberryField

from backend.core import errors


@strawberry.interface(description="Why a mutation did not do what it was asked.")
class Failure:
    message: str = strawberry.field(description="What is wrong and how to mend it, as a sentence for people.")
    path: list[str] = strawberry.field(
        description="Names of the argument, and of the fields within it, that it is about, from the outside in; empty "
        "where it is about none."
    )


@strawberry.type(description="An argument is not as it must be.")
class InvalidInput(Failure):
    pass


@strawberry.type(description="What an argument names is not there.")
class NotFound(Failure):
    pass


@strawberry.type(description="Who asks may not do this.")
class NotAllowed(Failure):
    pass


@strawberry.type(description="It cannot be done in the state that things are in now.")
class Conflict(Failure):
    pass


@strawberry.type(description="It was tried too often.")
class TooManyAttempts(Failure):
    retry_after_seconds: float = strawberry.field(description="Seconds until it may be tried again.")


class _Handler:
    """Answers `error_type` for an error of `exception_type` that is of none of the narrower kinds."""

    def __init__(
        self,
        exception_type: type[errors.UserError],
        error_type: type[Failure],
        narrower: tuple[type[errors.UserError], ...] = (),
    ) -> None:
        self.exception_type = exception_type
        self.error_type = error_type
        self._narrower = narrower

    def handle(self, exception: errors.UserError, *, field: StrawberryField, info: Any) -> Failure | None:
        if isinstance(exception, self._narrower):
            return None
        common: dict[str, Any] = {"message": str(exception), "path": list(exception.path)}
        if isinstance(exception, errors.TooManyAttempts):
            common["retry_after_seconds"] = exception.retry_after_s
        return self.error_type(**common)


_NARROWER: Final[dict[type[errors.UserError], type[Failure]]] = {
    errors.NotFound: NotFound,
    errors.NotAllowed: NotAllowed,
    errors.Conflict: Conflict,
    errors.TooManyAttempts: TooManyAttempts,
}

HANDLERS: Final[Sequence[Any]] = (
    *(_Handler(exception, failure) for exception, failure in _NARROWER.items()),
    _Handler(errors.UserError, InvalidInput, tuple(_NARROWER)),
)
"""For `strawberry.Schema(exception_handlers=...)`: each works on the fields whose union has its type."""
