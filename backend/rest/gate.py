"""Authentication of every request, rights of the plain routes, and limits on the head and the body of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from backend.core.asgi import App, Header, Receive, Scope, Send, send_json
from backend.core.errors import TransientError
from backend.core.rights import (
    ANONYMOUS,
    ANONYMOUS_CALLER,
    SCOPE_KEY,
    SESSION_COOKIES,
    Caller,
    Principal,
    PrincipalLookup,
    Right,
)
from backend.rest.permissions import TOKEN_IN_ADDRESS

CookieAuthenticator = Callable[[str], Awaitable[Principal]]
TokenAuthenticator = Callable[[str, str], Awaitable[Principal]]

_BEARER: Final = "bearer "
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_BROWSER_HEADERS: Final = (b"origin", b"sec-fetch-site")
_PORTS: Final = {"http": 80, "https": 443}


class Authenticate:
    """ASGI middleware that adds the caller to each request. The principal is looked up only when it is needed.

    Refuses requests with side effects that a browser sends for a page of another origin: such a page could otherwise use the
    visitor's session cookie (CSRF).
    """

    def __init__(
        self,
        app: App,
        authenticate_cookie: CookieAuthenticator,
        authenticate_token: TokenAuthenticator,
        public_url: str = "",
    ) -> None:
        self._app = app
        self._authenticate_cookie = authenticate_cookie
        self._authenticate_token = authenticate_token
        self._origin = _origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        has_side_effects = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if has_side_effects and is_cross_origin(headers, self._origin):
            await _refuse_cross_origin(scope, send)
            return
        scope[SCOPE_KEY] = self._caller(scope, headers)
        if scope["path"] in TOKEN_IN_ADDRESS:
            scope["query_string"] = _without_token(scope["query_string"])
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope, headers: dict[bytes, str]) -> Caller:
        address = (scope.get("client") or ("",))[0] or ""
        is_secure = scope["scheme"] in ("https", "wss")
        agent = headers.get(b"user-agent", "")
        return Caller(self._principal_lookup(scope, headers, address, is_secure), address, agent, is_secure)

    def _principal_lookup(
        self, scope: Scope, headers: dict[bytes, str], address: str, is_secure: bool
    ) -> PrincipalLookup:
        query_token = _token_in(scope["query_string"]) if scope["path"] in TOKEN_IN_ADDRESS else ""
        cache: list[Principal] = []

        async def look_up() -> Principal:
            if not cache:
                cache.append(await self._look_up(query_token, headers, address, is_secure))
            return cache[0]

        return look_up

    async def _look_up(
        self, query_token: str, headers: dict[bytes, str], address: str, is_secure: bool
    ) -> Principal:
        """Return the principal. If the request has a token, the cookie is ignored."""
        authorization = headers.get(b"authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            return await self._authenticate_token(authorization[len(_BEARER) :].strip(), address)
        if query_token:
            return await self._authenticate_token(query_token, address)
        secret = _cookie(headers.get(b"cookie", ""), SESSION_COOKIES[is_secure])
        return await self._authenticate_cookie(secret) if secret else ANONYMOUS


class SameOrigin:
    """ASGI application: refuses a request that a browser sends for a page of another origin.

    The push endpoints use it: a page of another origin must not push readings through a browser on a trusted machine.
    Devices send none of the headers it checks.
    """

    def __init__(self, app: App, public_url: str = "") -> None:
        self._app = app
        self._origin = _origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name, _ in scope["headers"]:
            if name in _BROWSER_HEADERS:
                headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
                if is_cross_origin(headers, self._origin):
                    await _refuse_cross_origin(scope, send)
                    return
                break
        await self._app(scope, receive, send)


def is_cross_origin(headers: Mapping[bytes, str], own_origin: str) -> bool:
    """Return whether a browser sends the request for a page of another origin than its host and `own_origin`."""
    origin = headers.get(b"origin")
    if origin is None:
        # Every recent browser sends one of the two headers. A client that sends neither is no browser: CSRF cannot occur.
        return headers.get(b"sec-fetch-site", "none") not in ("same-origin", "none")
    return not (_is_same_host(origin, headers.get(b"host", "")) or _origin(origin) == own_origin != "")


class Gate:
    """ASGI application that serves a plain route to callers with a right."""

    def __init__(self, app: App, right: Right, *, public_read: bool) -> None:
        self._app = app
        self._right = right
        self._public_read = public_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if ANONYMOUS.has(self._right, public_read=self._public_read):
            await self._app(scope, receive, send)
            return
        caller: Caller = scope.get(SCOPE_KEY, ANONYMOUS_CALLER)
        try:
            principal = await caller.principal()
        except TransientError:
            message = "the database is not reachable, so rights cannot be checked"
            await _refuse(send, 503, message, "retry later", [(b"retry-after", b"5")])
            return
        if principal.has(self._right, public_read=self._public_read):
            await self._app(scope, receive, send)
        elif principal.is_authenticated:
            await _refuse(send, 403, f"the right {self._right} is required", "use a token with this scope")
        else:
            fix = "log in, or send a personal token: Authorization: Bearer …"
            await _refuse(send, 401, "authentication is required", fix, [(b"www-authenticate", b"Bearer")])


async def _refuse(
    send: Send, status: int, message: str, fix: str, headers: list[Header] | None = None
) -> None:
    body = orjson.dumps({"error": {"where": "rights", "what": message, "mend": fix}})
    await send_json(send, status, body, headers or [])


async def _refuse_cross_origin(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send(
            {
                "type": "websocket.close",
                "code": 4403,
                "reason": "the request comes from a page of another origin",
            }
        )
        return
    fix = "behind a proxy, set SEDUCE_PUBLIC_URL to the address in the browser"
    await _refuse(send, 403, "the request comes from a page of another origin", fix)


def _cookie(header: str, name: str) -> str:
    if name not in header:
        return ""
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _token_in(query: bytes) -> str:
    try:
        return dict(parse_qsl(query.decode("latin-1"), max_num_fields=1000)).get("token", "")
    except ValueError:
        return ""


def _without_token(query: bytes) -> bytes:
    """Return the query without the token, so that no later code sees or logs it."""
    return b"&".join(part for part in query.split(b"&") if not part.startswith(b"token="))


def _is_same_host(origin: str, host: str) -> bool:
    """Compare host and port only: behind a TLS proxy, the scheme of the browser is unknown here."""
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        default_port = _PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default_port) == (
            server.hostname,
            server.port or default_port,
        )
    except ValueError:
        return False


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""
    except ValueError:
        return ""


class RequestLimits:
    """ASGI middleware with a maximum size of the head and a time-out for the body, against slow clients."""

    def __init__(self, app: App, max_head_bytes: int = 32 * 1024, body_timeout_s: float = 30.0) -> None:
        self._app = app
        self._max_head_bytes = max_head_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        head_bytes = sum(len(name) + len(value) for name, value in scope["headers"])
        if head_bytes + len(scope.get("query_string", b"")) > self._max_head_bytes:
            await self._refuse(scope, send)
        elif scope["type"] == "http":
            await self._app(scope, self._with_timeout(receive), send)
        else:
            await self._app(scope, receive, send)

    def _with_timeout(self, receive: Receive) -> Receive:
        """Return a `receive` that reports a disconnected client when the time for the body is over."""
        end = asyncio.get_running_loop().time() + self._body_timeout_s
        is_complete = False

        async def receive_in_time() -> Scope:
            nonlocal is_complete
            if is_complete:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                is_complete = True
                return {"type": "http.disconnect"}
            is_complete = not message.get("more_body", False)
            return message

        return receive_in_time

    async def _refuse(self, scope: Scope, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1009})
        else:
            message = f"the head of the request is larger than {self._max_head_bytes} bytes"
            await _refuse(
                send, 431, message, "send a shorter address or fewer headers", [(b"connection", b"close")]
            )
