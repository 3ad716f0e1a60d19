"""The caller of a request or WebSocket, and the end of a WebSocket when the rights of its caller end."""

from __future__ import annotations

import asyncio
from typing import Final

from cross_web import HTTPException
from starlette.types import Scope
from starlette.websockets import WebSocket

from backend.accounts.connection_rights import EndReason
from backend.accounts.services import Accounts
from backend.core.errors import TransientError
from backend.core.rights import ANONYMOUS, Principal
from backend.graphql.context import Context
from backend.graphql.execution.strawberry_internals import WebSocketDisconnected

LOG_IN_AGAIN: Final = 4401
"""Close code for a caller without a valid session or token."""
CONNECT_AGAIN: Final = 4403
"""Close code for a caller whose rights have changed. A new connection has the present rights."""
TRY_LATER: Final = 1013

_WATCH_TASK: Final = "seduce.watch"
"""Key of the ASGI scope that holds the task which watches the rights."""
_MAX_TOKEN_CHARACTERS: Final = 200


async def identify_caller(context: Context, token: object = None) -> Principal:
    """Return the caller: by `token` if there is one, else by the session or token of the request.

    Raises HTTPException 503 while the accounts cannot be read, unless reads are public: the caller is then anonymous.
    """
    try:
        has_token = isinstance(token, str) and len(token) <= _MAX_TOKEN_CHARACTERS
        if context.optional_accounts is not None and has_token:
            return await context.accounts.sign_ins.authenticate_token(str(token), context.caller.address)
        return await context.caller.principal()
    except TransientError:
        if context.public_read:
            return ANONYMOUS
        raise HTTPException(503, "Rights cannot be checked now; retry in a moment.") from None


async def admit(context: Context) -> None:
    """Accept a WebSocket whose caller may at least read, and watch the caller's rights while it is open.

    Closes any other connection and raises `WebSocketDisconnected`.
    """
    try:
        context.principal = await identify_caller(context, context.connection_params.get("token"))
    except HTTPException:
        await _close(context.socket, TRY_LATER, "rights cannot be checked now")
    if not (context.principal.is_authenticated or context.public_read):
        await _close(context.socket, LOG_IN_AGAIN, "log in, or send a token")
    if context.optional_accounts is not None and context.principal.is_authenticated:
        watch = _close_when_rights_end(context.accounts, context.principal, context.socket)
        context.socket.scope[_WATCH_TASK] = asyncio.create_task(watch, name="rights of a connection")


async def release(scope: Scope) -> None:
    """Stop watching the rights of a connection that has ended."""
    if task := scope.get(_WATCH_TASK):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    await socket.close(code, reason)
    raise WebSocketDisconnected


async def _close_when_rights_end(accounts: Accounts, principal: Principal, socket: WebSocket) -> None:
    with accounts.connection_rights.watch(principal) as connection:
        await connection.changed.wait()
    if connection.reason is EndReason.INVALID:
        await socket.close(LOG_IN_AGAIN, "log in again")
    else:
        await socket.close(CONNECT_AGAIN, "rights have changed: connect again")
