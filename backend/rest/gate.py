"""Who asks, put into every request; and the rights that a plain route asks for."""

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
    """ASGI middleware: says who asks by session cookie or personal token, looked up only where it is asked for.

    A request that may change something and that a browser sends for a page of another origin is refused: such a page could
    otherwise act by the cookie of whoever looks at it.
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
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and is_foreign(headers, self._origin):
            await _refuse_foreign(scope, send)
            return
        scope[SCOPE_KEY] = self._caller(scope, headers)
        if scope["path"] in TOKEN_IN_ADDRESS:
            scope["query_string"] = _without_token(scope["query_string"])
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope, headers: dict[bytes, str]) -> Caller:
        address = (scope.get("client") or ("",))[0] or ""
        secure = scope["scheme"] in ("https", "wss")
        agent = headers.get(b"user-agent", "")
        return Caller(self._looked_up(scope, headers, address, secure), address, agent, secure)

    def _looked_up(
        self, scope: Scope, headers: dict[bytes, str], address: str, secure: bool
    ) -> PrincipalLookup:
        in_address = _token_in(scope["query_string"]) if scope["path"] in TOKEN_IN_ADDRESS else ""
        found: list[Principal] = []

        async def who() -> Principal:
            if not found:
                found.append(await self._look_up(in_address, headers, address, secure))
            return found[0]

        return who

    async def _look_up(
        self, in_address: str, headers: dict[bytes, str], address: str, secure: bool
    ) -> Principal:
        """A token that is sent counts alone: who sends one does not mean the cookie."""
        authorization = headers.get(b"authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            return await self._authenticate_token(authorization[len(_BEARER) :].strip(), address)
        if in_address:
            return await self._authenticate_token(in_address, address)
        secret = _cookie(headers.get(b"cookie", ""), SESSION_COOKIES[secure])
        return await self._authenticate_cookie(secret) if secret else ANONYMOUS


class SameOrigin:
    """ASGI application: refuses a request that a browser sends for a page of another origin.

    The push endpoints use it: a foreign page must not push readings through a browser on a trusted machine.
    Devices send none of the headers it checks.
    """

    def __init__(self, app: App, public_url: str = "") -> None:
        self._app = app
        self._origin = _origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name, _ in scope["headers"]:
            if name in _BROWSER_HEADERS:
                headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
                if is_foreign(headers, self._origin):
                    await _refuse_foreign(scope, send)
                    return
                break
        await self._app(scope, receive, send)


def is_foreign(headers: Mapping[bytes, str], own_origin: str) -> bool:
    """Return whether a browser sends the request for a page of another origin than its host and `own_origin`."""
    origin = headers.get(b"origin")
    if origin is None:
        # All current browsers send one of the two headers. A client that sends neither is no browser.
        return headers.get(b"sec-fetch-site", "none") not in ("same-origin", "none")
    return not (_is_same(origin, headers.get(b"host", "")) or _origin(origin) == own_origin != "")


class Gate:
    """ASGI application: a plain route for those who have its right."""

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
            who = await caller.principal()
        except TransientError:
            away = "rights cannot be looked up now"
            await _refuse(send, 503, away, "ask again later", [(b"retry-after", b"5")])
            return
        if who.has(self._right, public_read=self._public_read):
            await self._app(scope, receive, send)
        elif who.is_authenticated:
            await _refuse(send, 403, f"this needs the right {self._right}", "use a token with this scope")
        else:
            mend = "log in, or send a personal token: Authorization: Bearer …"
            await _refuse(
                send, 401, "nobody is known by this request", mend, [(b"www-authenticate", b"Bearer")]
            )


async def _refuse(send: Send, status: int, what: str, mend: str, headers: list[Header] | None = None) -> None:
    body = orjson.dumps({"error": {"where": "rights", "what": what, "mend": mend}})
    await send_json(send, status, body, headers or [])


async def _refuse_foreign(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4403, "reason": "from a page of another origin"})
        return
    mend = "set SEDUCE_PUBLIC_URL to the address in the browser, where a proxy hides it"
    await _refuse(send, 403, "the request comes from a page of another origin", mend)


def _cookie(header: str, name: str) -> str:
    if name not in header:
        return ""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _token_in(query: bytes) -> str:
    try:
        return dict(parse_qsl(query.decode("latin-1"), max_num_fields=1000)).get("token", "")
    except ValueError:
        return ""


def _without_token(query: bytes) -> bytes:
    """What comes after sees no secret, and need not know of it."""
    return b"&".join(part for part in query.split(b"&") if not part.startswith(b"token="))


def _is_same(origin: str, host: str) -> bool:
    """By host and port alone: where a proxy ends TLS, the scheme is not known here."""
    try:
        page, ours = urlsplit(origin), urlsplit(f"//{host}")
        usual = _PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or usual) == (
            ours.hostname,
            ours.port or usual,
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
    """ASGI middleware: heads are small, and bodies come within a time, so that nobody holds a place by being slow."""

    def __init__(self, app: App, max_head_bytes: int = 32 * 1024, body_timeout_s: float = 30.0) -> None:
        self._app = app
        self._max_head_bytes = max_head_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        head = sum(len(name) + len(value) for name, value in scope["headers"])
        if head + len(scope.get("query_string", b"")) > self._max_head_bytes:
            await self._refuse(scope, send)
        elif scope["type"] == "http":
            await self._app(scope, self._timed(receive), send)
        else:
            await self._app(scope, receive, send)

    def _timed(self, receive: Receive) -> Receive:
        """As a client that left: whoever reads the body stops."""
        end = asyncio.get_running_loop().time() + self._body_timeout_s
        whole = False

        async def timed() -> Scope:
            nonlocal whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                whole = True
                return {"type": "http.disconnect"}
            whole = not message.get("more_body", False)
            return message

        return timed

    async def _refuse(self, scope: Scope, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1009})
        else:
            much = f"the head of the request is over {self._max_head_bytes} bytes"
            await _refuse(send, 431, much, "send less", [(b"connection", b"close")])
