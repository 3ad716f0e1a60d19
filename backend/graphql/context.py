"""What every resolver can reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry

from backend.graphql.loaders import Loaders
from backend.queries.services import Queries


@dataclass(slots=True)
class Context:
    """One a request, or one a WebSocket connection."""

    queries: Queries
    connection_params: dict[str, Any] = field(default_factory=dict)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.queries)


Info: TypeAlias = strawberry.Info[Context, None]
