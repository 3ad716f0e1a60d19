"""Users and their credentials as plain values, and the transition table of a user's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from backend.core.rights import TokenScope


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
"""All permitted transitions. Every other transition is refused."""


def next_state(state: UserState, event: UserEvent) -> UserState | None:
    """Return the state after the event, or None if the event is not permitted in `state`."""
    return TRANSITIONS.get((state, event))


def events_leading_to(state: UserState, target: UserState) -> tuple[UserEvent, ...] | None:
    """Return the shortest sequence of events from `state` to `target`, or None if there is none."""
    paths: dict[UserState, tuple[UserEvent, ...]] = {state: ()}
    frontier = [state]
    while frontier and target not in paths:
        current = frontier.pop(0)
        for (start, event), end in TRANSITIONS.items():
            if start is current and end not in paths:
                paths[end] = (*paths[current], event)
                frontier.append(end)
    return paths.get(target)


@dataclass(frozen=True, slots=True)
class User:
    """A user. Times are ns UTC. `email_key` is the address in normalized form, for comparison."""

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
    def can_log_in(self) -> bool:
        return self.state is UserState.AUTHORIZED


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in session. Only the hash of its cookie is stored."""

    id: str
    user_id: str
    created_ns: int
    used_ns: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A personal access token. Only its hash is stored."""

    id: str
    user_id: str
    name: str
    scopes: frozenset[TokenScope]
    created_ns: int
    expires_ns: int
    used_ns: int | None
    address: str


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A key with which a device pushes readings. It is valid only from `network`; empty means from anywhere."""

    id: str
    name: str
    network: str
    created_ns: int
    used_ns: int | None


class Purpose(StrEnum):
    """The action that a mailed link permits."""

    CONFIRM = "confirm"
    RESET = "reset"
    DECIDE = "decide"


@dataclass(frozen=True, slots=True)
class MailToken:
    """A mailed link, stored by the hash of its secret. `user_id` is the user it concerns, `holder_id` the recipient."""

    secret_hash: str
    user_id: str
    holder_id: str
    purpose: Purpose
    expires_ns: int


class MailKind(StrEnum):
    """Kinds of mail. Each has templates of this name."""

    CONFIRMATION = "confirmation"
    KNOWN_ADDRESS = "known_address"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of a mail
    AUTHORIZATION = "authorization"
    APPROVED = "approved"
    DISAPPROVED = "disapproved"


@dataclass(frozen=True, slots=True)
class OutboxMail:
    """A mail in the outbox: about the user `user_id`, to the user `to_id`. Times are ns UTC."""

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
    """An audit entry: who did what to whom. Users are given by id, empty for none.

    `detail` never contains a secret or a person's e-mail address.
    """

    at_ns: int
    kind: AuditKind
    actor_id: str
    subject_id: str
    address: str
    detail: Mapping[str, str | int | float | bool | None]
    id: int = 0
