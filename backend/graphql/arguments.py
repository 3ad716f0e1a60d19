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


def before_id(query: str, after: str | None) -> int | None:
    """The id behind a cursor of what is listed newest first. Raises `UserError` for what is none."""
    if not after:
        return None
    if not is_id(after):
        raise UserError(f"{query}(after: {after[:60]!r}): not a cursor: take it from `pageInfo.endCursor`.")
    return int(after)


def is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS
