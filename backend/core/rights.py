"""Callers and their rights. GraphQL fields declare the right they need; `backend/rest/permissions.py` lists those of routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class Right(StrEnum):
    """What an entry point asks of whoever enters."""

    ANYONE = "anyone"
    READ = "read"
    """An authorized user, or anyone where reads are public."""
    EXPORT = "export"
    """As READ, but a personal token needs the scope of its own: an export may be large."""
    ACCOUNT = "account"
    """A person who has logged in. No token: a stolen one must not make others."""
    ADMIN = "admin"
    DEVICE = "device"
    """A device that pushes; the door's own guard holds it (`backend/ingest/keys.py`)."""
    LOCAL = "local"
    """Somebody on this machine; the route itself looks."""


class Scope(StrEnum):
    """What a personal token is good for."""

    READ = "read"
    EXPORT = "export"
    ADMIN = "admin"


class Credential(StrEnum):
    """By what somebody is known."""

    NONE = "none"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105  a kind, not one


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `user_id` is empty for those who are not known; `credential_id` names the session or token, never its secret."""

    user_id: str = ""
    is_admin: bool = False
    credential: Credential = Credential.NONE
    credential_id: str = ""
    scopes: frozenset[Scope] = frozenset()

    @property
    def is_authenticated(self) -> bool:
        return bool(self.user_id)

    def has(self, right: Right, *, public_read: bool) -> bool:
        """Whether an entry point that asks for `right` lets them in. Those that look for themselves always do here."""
        if right in (Right.ANYONE, Right.DEVICE, Right.LOCAL):
            return True
        if public_read and right in (Right.READ, Right.EXPORT):
            return True
        if not self.is_authenticated:
            return False
        if right is Right.ACCOUNT:
            return self.credential is Credential.SESSION
        if right is Right.ADMIN:
            return self.is_admin and Scope.ADMIN in self.scopes
        return Scope(right.value) in self.scopes


ANONYMOUS: Final = Principal()

PrincipalLookup: TypeAlias = Callable[[], Awaitable[Principal]]
"""Looks up who asks, once a request. Raises `TransientError` where that cannot be known now."""

SESSION_COOKIES: Final = {False: "seduce", True: "__Host-seduce"}
"""Name of the session's cookie, without TLS and with: then one that only this host can have set."""

SCOPE_KEY: Final = "seduce.caller"
"""Where the ASGI scope holds the `Caller`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's or connection's other end."""

    principal: PrincipalLookup
    address: str = ""
    """Internet address, of the client itself where a trusted proxy says it."""
    agent: str = ""
    is_secure: bool = False
    """Whether the connection to the client is TLS."""


async def _nobody() -> Principal:
    return ANONYMOUS


ANONYMOUS_CALLER: Final = Caller(_nobody)
