"""Security headers for all HTTP answers."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Permits style attributes, but no style elements and no inline scripts.
POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src-attr 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


_TLS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")
"""Sent over TLS only, as the standard demands; browsers ignore it on plain HTTP."""


class SecurityHeaders:
    """ASGI middleware that adds the security headers to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = (*_HEADERS, _TLS_ONLY) if scope["scheme"] == "https" else _HEADERS

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own_headers = list(message.get("headers", ()))
                own_names = {name for name, _ in own_headers}  # an answer may have its own policy
                message = {
                    **message,
                    "headers": [*own_headers, *(h for h in headers if h[0] not in own_names)],
                }
            await send(message)

        await self._app(scope, receive, with_headers)
