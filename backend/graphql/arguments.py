"""Arguments that several queries share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from backend.core.errors import UserError
from backend.graphql.enums import Statistic, Tree, Window
from backend.graphql.scalars import TimeNs

TreeArgument: TypeAlias = Annotated[Tree, strawberry.argument(description="Which tree.")]
RootArgument: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        name="root", description="Only this node and what is below it; null is the whole tree."
    ),
]
From: TypeAlias = Annotated[TimeNs, strawberry.argument(name="from", description="Start, included.")]
To: TypeAlias = Annotated[TimeNs | None, strawberry.argument(description="End, not included; null is now.")]
WindowArgument: TypeAlias = Annotated[Window | None, strawberry.argument(description="How finely to read.")]
MaxPoints: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description="Most points a series may have. Raw readings are thinned by MinMaxLTTB, windows are merged exactly."
    ),
]
Statistics: TypeAlias = Annotated[
    list[Statistic] | None, strawberry.argument(description="Which statistics to answer.")
]

_MOST_DIGITS = 18
"""A database keeps no longer ids."""


def number_of(name: str, cursor: str | None) -> int | None:
    """The number that a cursor stands for. Raises `UserError` for what is no cursor of ours."""
    if not cursor:
        return None
    if not is_id(cursor):
        text = f"{name}(after: {cursor[:60]!r}): not a cursor: take it from `pageInfo.endCursor`."
        raise UserError(text, path=("after",))
    return int(cursor)


def is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
