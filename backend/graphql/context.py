"""What every resolver can reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry
from starlette.responses import Response

from backend.accounts.log import Actor
from backend.accounts.model import AuditKind
from backend.accounts.services import Accounts
from backend.core.commands import Equipment
from backend.core.errors import Conflict
from backend.core.rights import ANONYMOUS, ANONYMOUS_CALLER, Caller, Principal, Right
from backend.graphql.loaders import Loaders
from backend.queries.services import Queries


@dataclass(slots=True)
class Context:
    """One a request, or one a WebSocket connection. `answer` takes headers and cookies; a WebSocket has none."""

    queries: Queries
    connection_params: dict[str, Any] = field(default_factory=dict)
    who: Principal = ANONYMOUS
    caller: Caller = ANONYMOUS_CALLER
    public_read: bool = False
    cookie: str = ""
    """The session's secret that came along."""
    answer: Response | None = None
    socket: Any = None
    known_accounts: Accounts | None = None
    known_equipment: Equipment | None = None

    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.queries)

    @property
    def accounts(self) -> Accounts:
        """Raises `Conflict` in a process that knows no accounts."""
        if self.known_accounts is None:
            raise Conflict("There are no accounts here.")
        return self.known_accounts

    @property
    def equipment(self) -> Equipment:
        if self.known_equipment is None:
            raise Conflict("There is no equipment here that takes commands.")
        return self.known_equipment

    @property
    def actor(self) -> Actor:
        """For the audit log."""
        return Actor(self.who.user_id, self.caller.address)

    async def correcting(self, what: str, of: str = "") -> None:
        """To be called before a correction is made, so that none is that is not in the audit log. Raises `TransientError`.

        A process that knows no accounts has no such log.
        """
        if self.known_accounts is not None:
            await self.known_accounts.audit.write(
                AuditKind.CORRECTION, self.actor, {"what": what, "of": of[:300]}
            )

    def may(self, right: Right) -> bool:
        return self.who.has(right, public_read=self.public_read)


Info: TypeAlias = strawberry.Info[Context, None]
