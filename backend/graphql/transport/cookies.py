"""The session's cookie: HttpOnly and SameSite=Lax; behind TLS also Secure, and bound to the host by its name."""

from __future__ import annotations

from backend.core.errors import Conflict
from backend.core.rights import SESSION_COOKIES, Caller
from backend.core.windows import NS_PER_SECOND
from backend.graphql.context import Context


def cookie_name(caller: Caller) -> str:
    return SESSION_COOKIES[caller.is_secure]


def keep_session(context: Context, secret: str) -> None:
    """Raises `Conflict` over a WebSocket, whose answers carry no cookies."""
    _set(context, secret, context.accounts.rules.session_ns // NS_PER_SECOND)


def forget_session(context: Context) -> None:
    _set(context, "", 0)


def refuse_sockets(context: Context) -> None:
    """Raises `Conflict` where a cookie could not be set."""
    if context.answer is None:
        raise Conflict("Log in and out over HTTP: a WebSocket carries no cookies.")


def _set(context: Context, value: str, max_age_s: int) -> None:
    refuse_sockets(context)
    assert context.answer is not None
    context.answer.set_cookie(
        cookie_name(context.caller),
        value,
        max_age=max_age_s,
        path="/",
        secure=context.caller.is_secure,
        httponly=True,
        samesite="lax",
    )
