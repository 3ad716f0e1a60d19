"""Pages of lists: cursor connections as in the Relay specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import strawberry


@strawberry.type(description="The position of a page in a list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="True if there are entries after this page.")
    has_previous_page: bool = strawberry.field(description="True if there are entries before this page.")
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first entry; null on an empty page."
    )
    end_cursor: str | None = strawberry.field(description="Cursor of the last entry; null on an empty page.")


class Edge(Protocol):
    """An entry of a page."""

    cursor: str


def page_info(edges: Sequence[Edge], *, has_next: bool, has_previous: bool) -> PageInfo:
    """Return the position of a page that consists of `edges`."""
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
