"""The context of a request or connection: services, the caller and the loaders, for all resolvers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry
from starlette.responses import Response

from backend.accounts.log import Actor
from backend.accounts.model import AuditKind
from backend.accounts.services import Accounts
from backend.core.commands import CommandPort
from backend.core.errors import Conflict
from backend.core.rights import ANONYMOUS, ANONYMOUS_CALLER, Caller, Principal, Right
from backend.graphql.loaders import Loaders
from backend.queries.services import Queries


@dataclass(slots=True)
class Context:
    """One object per HTTP request, or per WebSocket connection.

    connection_params     payload of `connection_init` on a WebSocket
    public_read           reads need no log-in
    cookie                secret of the session that the request carries; may be empty
    response              takes headers and cookies; None on a WebSocket
    optional_accounts     None in a process without accounts
    optional_command_port  None in a process without commands
    """

    queries: Queries
    connection_params: dict[str, Any] = field(default_factory=dict)
    principal: Principal = ANONYMOUS
    caller: Caller = ANONYMOUS_CALLER
    public_read: bool = False
    cookie: str = ""
    response: Response | None = None
    socket: Any = None
    optional_accounts: Accounts | None = None
    optional_command_port: CommandPort | None = None

    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.queries)

    @property
    def accounts(self) -> Accounts:
        """The accounts. Raises `Conflict` in a process without them."""
        if self.optional_accounts is None:
            raise Conflict("This server has no accounts.")
        return self.optional_accounts

    @property
    def command_port(self) -> CommandPort:
        """The equipment that takes commands. Raises `Conflict` in a process without it."""
        if self.optional_command_port is None:
            raise Conflict("This server has no equipment that takes commands.")
        return self.optional_command_port

    @property
    def actor(self) -> Actor:
        """The caller, for the audit log."""
        return Actor(self.principal.user_id, self.caller.address)

    async def audit_correction(self, operation: str, subject: str = "") -> None:
        """Write a correction of data to the audit log. Call it first, so that no correction goes unrecorded.

        A process without accounts has no audit log. Raises `TransientError` if the log cannot be written.
        """
        if self.optional_accounts is not None:
            await self.optional_accounts.audit.write(
                AuditKind.CORRECTION, self.actor, {"what": operation, "of": subject[:300]}
            )

    def may(self, right: Right) -> bool:
        """Return whether the caller has a right."""
        return self.principal.has(right, public_read=self.public_read)


Info: TypeAlias = strawberry.Info[Context, None]
