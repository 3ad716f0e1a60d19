"""Arguments that several fields share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from backend.core.errors import UserError
from backend.graphql.enums import ApiWindow, Statistic, Tree
from backend.graphql.scalars import TimeNs

TreeArgument: TypeAlias = Annotated[Tree, strawberry.argument(description="The energy tree.")]
RootArgument: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        name="root", description="Answer only this node and the nodes below it. Null: the whole tree."
    ),
]
From: TypeAlias = Annotated[
    TimeNs, strawberry.argument(name="from", description="Start of the range, included.")
]
To: TypeAlias = Annotated[
    TimeNs | None, strawberry.argument(description="End of the range, not included. Null: now.")
]
WindowArgument: TypeAlias = Annotated[
    ApiWindow | None, strawberry.argument(description="The time resolution.")
]
MaxPoints: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description="Maximum number of points per series. Raw readings are downsampled by MinMaxLTTB; windows are merged exactly."
    ),
]
Statistics: TypeAlias = Annotated[
    list[Statistic] | None, strawberry.argument(description="The statistics to return besides the values.")
]
After: TypeAlias = Annotated[
    str | None,
    strawberry.argument(description="Cursor of an entry. The page starts with the entry after it."),
]

_MAX_DIGITS = 18
"""Ids in the database have no more digits."""


def parse_cursor(field: str, cursor: str | None) -> int | None:
    """Return the number in a cursor; None without a cursor. Raises `UserError` if it is not a cursor of this API."""
    if not cursor:
        return None
    if not is_id(cursor):
        message = f"{field}(after: {cursor[:60]!r}) is not a cursor: use `pageInfo.endCursor` of a page."
        raise UserError(message, path=("after",))
    return int(cursor)


def is_id(text: str) -> bool:
    """Return whether a text is a decimal id of the database."""
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
