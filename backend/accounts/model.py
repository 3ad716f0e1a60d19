"""Users and what they are known by: plain values, and the one table of how a user's state may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from backend.core.rights import Scope


class UserState(StrEnum):
    CREATED = "created"
    WAITING_CONFIRMATION_EMAIL = "waiting_confirmation_email"
    CONFIRMED = "confirmed"
    WAITING_AUTHORIZATION = "waiting_authorization"
    AUTHORIZED = "authorized"
    UNAUTHORIZED = "unauthorized"


class UserEvent(StrEnum):
    EMAIL_SENT = "email_sent"
    CONFIRM_EMAIL = "confirm_email"
    NOTIFY_ADMIN = "notify_admin"
    APPROVE = "approve"
    DISAPPROVE = "disapprove"
    DEAUTHORIZE = "deauthorize"
    REAUTHORIZE = "reauthorize"


_S, _E = UserState, UserEvent

TRANSITIONS: Final[Mapping[tuple[UserState, UserEvent], UserState]] = {
    (_S.CREATED, _E.EMAIL_SENT): _S.WAITING_CONFIRMATION_EMAIL,
    (_S.WAITING_CONFIRMATION_EMAIL, _E.CONFIRM_EMAIL): _S.CONFIRMED,
    (_S.CONFIRMED, _E.NOTIFY_ADMIN): _S.WAITING_AUTHORIZATION,
    (_S.WAITING_AUTHORIZATION, _E.APPROVE): _S.AUTHORIZED,
    (_S.WAITING_AUTHORIZATION, _E.DISAPPROVE): _S.UNAUTHORIZED,
    (_S.AUTHORIZED, _E.DEAUTHORIZE): _S.UNAUTHORIZED,
    (_S.UNAUTHORIZED, _E.REAUTHORIZE): _S.AUTHORIZED,
}
"""All there are. What is not here is refused."""


def after(state: UserState, event: UserEvent) -> UserState | None:
    """The state that the event leads to; None where it cannot happen."""
    return TRANSITIONS.get((state, event))


def events_towards(state: UserState, target: UserState) -> tuple[UserEvent, ...] | None:
    """The shortest way; None where there is none."""
    ways: dict[UserState, tuple[UserEvent, ...]] = {state: ()}
    frontier = [state]
    while frontier and target not in ways:
        here = frontier.pop(0)
        for (start, event), end in TRANSITIONS.items():
            if start is here and end not in ways:
                ways[end] = (*ways[here], event)
                frontier.append(end)
    return ways.get(target)


@dataclass(frozen=True, slots=True)
class User:
    """Times are ns UTC. `email_key` is the address in the form in which two are compared."""

    id: str
    email: str
    email_key: str
    password_hash: str
    first_name: str
    last_name: str
    picture_url: str
    is_admin: bool
    state: UserState
    created_ns: int
    login_ns: int | None

    @property
    def may_enter(self) -> bool:
        return self.state is UserState.AUTHORIZED


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in. Only the hash of its cookie is kept."""

    id: str
    user_id: str
    created_ns: int
    used_ns: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A personal token. Only its hash is kept."""

    id: str
    user_id: str
    name: str
    scopes: frozenset[Scope]
    created_ns: int
    expires_ns: int
    used_ns: int | None
    address: str


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A key for pushes; `network` is the only one it is good from, empty for any."""

    id: str
    name: str
    network: str
    created_ns: int
    used_ns: int | None


class Purpose(StrEnum):
    """What a mailed link is for."""

    CONFIRM = "confirm"
    RESET = "reset"
    DECIDE = "decide"


@dataclass(frozen=True, slots=True)
class MailToken:
    """The secret of a mailed link, by its hash. `user_id` is whom it concerns, `holder_id` whose mailbox it went to."""

    secret_hash: str
    user_id: str
    holder_id: str
    purpose: Purpose
    expires_ns: int


class MailKind(StrEnum):
    """Mails that are sent, each with templates of this name."""

    CONFIRMATION = "confirmation"
    KNOWN_ADDRESS = "known_address"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of a mail
    AUTHORIZATION = "authorization"
    APPROVED = "approved"
    DISAPPROVED = "disapproved"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits to be sent: about `user_id`, to `to_id`."""

    id: str
    kind: MailKind
    user_id: str
    to_id: str
    created_ns: int
    due_ns: int
    attempts: int = 0
    claim: str = ""
    error: str = ""


class AuditKind(StrEnum):
    SIGNED_UP = "signed_up"
    CONFIRMED = "confirmed"
    LOGGED_IN = "logged_in"
    LOG_IN_FAILED = "log_in_failed"
    LOGGED_OUT = "logged_out"
    SESSION_ENDED = "session_ended"
    STATE_CHANGED = "state_changed"
    PROMOTED = "promoted"
    DEMOTED = "demoted"
    USER_ADDED = "user_added"
    USER_DELETED = "user_deleted"
    PROFILE_CHANGED = "profile_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of an event
    RESET_ASKED = "reset_asked"
    TOKEN_MADE = "token_made"  # noqa: S105
    TOKEN_DELETED = "token_deleted"  # noqa: S105
    TOKEN_USED = "token_used"  # noqa: S105
    KEY_MADE = "key_made"
    KEY_DELETED = "key_deleted"
    MAIL_REFUSED = "mail_refused"
    COMMAND = "command"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to whom. Users are named by id, empty for none; `detail` never holds a secret or an address of a person."""

    at_ns: int
    kind: AuditKind
    actor_id: str
    subject_id: str
    address: str
    detail: Mapping[str, str | int | float | bool | None]
    id: int = 0
