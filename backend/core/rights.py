"""Callers and their rights. GraphQL fields declare the right they need; `backend/rest/permissions.py` lists those of routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class Right(StrEnum):
    """The right that an entry point requires. The pages call it a permission."""

    ANYONE = "anyone"
    READ = "read"
    """An authorized user; anyone if public reads are enabled."""
    EXPORT = "export"
    """Like READ, but a personal token needs a separate scope, because an export may be large."""
    ACCOUNT = "account"
    """A user with a session. A token is not accepted, so that a stolen token cannot create others."""
    ADMIN = "admin"
    DEVICE = "device"
    """A device that pushes readings; the ingest endpoints check its key (`backend/ingest/keys.py`)."""
    LOCAL = "local"
    """A process on this machine; the route itself checks it."""


class TokenScope(StrEnum):
    """The scopes of a personal token."""

    READ = "read"
    EXPORT = "export"
    ADMIN = "admin"


class Credential(StrEnum):
    """The kind of credential that a caller presented."""

    NONE = "none"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105  a kind, not a secret


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity of a caller.

    user_id        empty for an anonymous caller
    credential_id  id of the session or token; never its secret
    """

    user_id: str = ""
    is_admin: bool = False
    credential: Credential = Credential.NONE
    credential_id: str = ""
    scopes: frozenset[TokenScope] = frozenset()

    @property
    def is_authenticated(self) -> bool:
        """True if the caller is a user."""
        return bool(self.user_id)

    def has(self, right: Right, *, public_read: bool) -> bool:
        """Return whether the principal has the right. DEVICE and LOCAL are always granted: their entry points check them."""
        if right in (Right.ANYONE, Right.DEVICE, Right.LOCAL):
            return True
        if public_read and right in (Right.READ, Right.EXPORT):
            return True
        if not self.is_authenticated:
            return False
        if right is Right.ACCOUNT:
            return self.credential is Credential.SESSION
        if right is Right.ADMIN:
            return self.is_admin and TokenScope.ADMIN in self.scopes
        return TokenScope(right.value) in self.scopes


ANONYMOUS: Final = Principal()

PrincipalLookup: TypeAlias = Callable[[], Awaitable[Principal]]
"""Returns the principal of a request. Raises `TransientError` if the accounts are unreachable."""

SESSION_COOKIES: Final = {False: "seduce", True: "__Host-seduce"}
"""Name of the session cookie, by whether the connection is TLS. Only this host can set a cookie with the prefix `__Host-`."""

SCOPE_KEY: Final = "seduce.caller"
"""Key of the `Caller` in the ASGI scope."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of a request or connection.

    address    IP address; that of the client itself if a trusted proxy reports it
    agent      its user agent
    is_secure  True if the connection to the client is TLS
    """

    principal: PrincipalLookup
    address: str = ""
    agent: str = ""
    is_secure: bool = False


async def _anonymous() -> Principal:
    return ANONYMOUS


ANONYMOUS_CALLER: Final = Caller(_anonymous)
