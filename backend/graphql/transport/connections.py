"""Who is at the other end of a request or a WebSocket, and that a WebSocket ends when the rights of that end do."""

from __future__ import annotations

import asyncio
from typing import Final

from cross_web import HTTPException
from starlette.types import Scope
from starlette.websockets import WebSocket

from backend.accounts.live import EndReason
from backend.accounts.services import Accounts
from backend.core.errors import TransientError
from backend.core.rights import ANONYMOUS, Principal
from backend.graphql.context import Context
from backend.graphql.execution.strawberry_internals import WebSocketDisconnected

LOG_IN_AGAIN: Final = 4401
"""Closes a connection of somebody who is not known, or not any more."""
CONNECT_AGAIN: Final = 4403
"""Closes a connection of somebody whose rights have changed: a new one has those that hold now."""
TRY_LATER: Final = 1013

_WATCH: Final = "seduce.watch"
_MOST_TOKEN: Final = 200


async def who_asks(context: Context, token: object = None) -> Principal:
    """By `token` where one is given, else by what the request came with.

    Raises HTTPException where it cannot be known now; where all may read, they can meanwhile.
    """
    try:
        if context.known_accounts is not None and isinstance(token, str) and len(token) <= _MOST_TOKEN:
            return await context.accounts.sign_ins.authenticate_token(token, context.caller.address)
        return await context.caller.principal()
    except TransientError:
        if context.public_read:
            return ANONYMOUS
        raise HTTPException(503, "Rights cannot be looked up now; try again in a moment.") from None


async def admit(context: Context) -> None:
    """Lets those in who may at least read, and has their connection watched as long as it lasts.

    Closes the connection of all others, and raises `WebSocketDisconnected`.
    """
    try:
        context.who = await who_asks(context, context.connection_params.get("token"))
    except HTTPException:
        await _close(context.socket, TRY_LATER, "the rights cannot be looked up now")
    if not (context.who.is_authenticated or context.public_read):
        await _close(context.socket, LOG_IN_AGAIN, "log in, or send a token")
    if context.known_accounts is not None and context.who.is_authenticated:
        watching = _end_with_rights(context.accounts, context.who, context.socket)
        context.socket.scope[_WATCH] = asyncio.create_task(watching, name="rights of a connection")


async def dismiss(scope: Scope) -> None:
    """The request or connection has ended: nothing watches it any more."""
    if watching := scope.get(_WATCH):
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    await socket.close(code, reason)
    raise WebSocketDisconnected


async def _end_with_rights(accounts: Accounts, who: Principal, socket: WebSocket) -> None:
    with accounts.live.watch(who) as watched:
        await watched.changed.wait()
    if watched.reason is EndReason.INVALID:
        await socket.close(LOG_IN_AGAIN, "log in again")
    else:
        await socket.close(CONNECT_AGAIN, "rights have changed: connect again")
