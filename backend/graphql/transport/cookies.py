"""The session cookie: HttpOnly and SameSite=Lax; behind TLS also Secure, with a name that binds it to the host."""

from __future__ import annotations

from backend.core.errors import Conflict
from backend.core.rights import SESSION_COOKIES, Caller
from backend.core.windows import NS_PER_SECOND
from backend.graphql.context import Context


def cookie_name(caller: Caller) -> str:
    """Return the name of the session cookie on the caller's connection."""
    return SESSION_COOKIES[caller.is_secure]


def set_session_cookie(context: Context, secret: str) -> None:
    """Send the session cookie with the answer. Raises `Conflict` over a WebSocket."""
    _set_cookie(context, secret, context.accounts.rules.session_ns // NS_PER_SECOND)


def delete_session_cookie(context: Context) -> None:
    """Delete the session cookie in the browser. Raises `Conflict` over a WebSocket."""
    _set_cookie(context, "", 0)


def refuse_websocket(context: Context) -> None:
    """Raise `Conflict` on a WebSocket, whose answers carry no cookies."""
    if context.response is None:
        raise Conflict("Log in and out over HTTP: a WebSocket carries no cookies.")


def _set_cookie(context: Context, value: str, max_age_s: int) -> None:
    refuse_websocket(context)
    assert context.response is not None
    context.response.set_cookie(
        cookie_name(context.caller),
        value,
        max_age=max_age_s,
        path="/",
        secure=context.caller.is_secure,
        httponly=True,
        samesite="lax",
    )
