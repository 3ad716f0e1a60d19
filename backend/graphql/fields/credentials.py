"""Sessions and personal tokens of whoever asks."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from backend.accounts import model
from backend.core import rights
from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.failures import Conflict, InvalidInput, NotFound
from backend.graphql.field import member, mutation, query
from backend.graphql.fields.people import Done
from backend.graphql.scalars import TimeNs
from backend.graphql.transport.cookies import delete_session_cookie

_DEFAULT_DAYS = 90


@strawberry.enum(description="What a personal token is good for.")
class Scope(Enum):
    READ = member("read", "All that can be seen.")
    EXPORT = member("export", "Readings as a file.")
    ADMIN = member("admin", "What administrators may do; only an administrator's token can have it.")


@strawberry.type(description="A log-in that lasts.")
class Session:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    created: TimeNs = strawberry.field(description="When it began.")
    last_used: TimeNs = strawberry.field(description="When it was used last, to the minute.")
    address: str = strawberry.field(description="Internet address that it began from.")
    agent: str = strawberry.field(description="What the browser calls itself.")
    current: bool = strawberry.field(description="Whether this is the session that asks.")


@strawberry.type(description="A personal token, for notebooks and scripts.")
class AccessToken:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    name: str = strawberry.field(description="What its owner calls it.")
    scopes: list[Scope] = strawberry.field(description="What it is good for.")
    created: TimeNs = strawberry.field(description="When it was made.")
    expires: TimeNs = strawberry.field(description="From when on it is good for nothing.")
    last_used: TimeNs | None = strawberry.field(
        description="When it was used last, to the minute; null if never."
    )
    last_address: str = strawberry.field(
        description="Internet address that it was used from last; may be empty."
    )


@strawberry.type(description="A new token with its secret, which is not kept and not shown again.")
class NewToken:
    token: AccessToken = strawberry.field(description="The token.")
    secret: str = strawberry.field(description="What to send, as `Authorization: Bearer …`.")


CreateTokenResult = Annotated[
    NewToken | InvalidInput | Conflict,
    strawberry.union("CreateTokenResult", description="The token, or why not."),
]
EndResult = Annotated[
    Done | NotFound, strawberry.union("EndResult", description="Done, or that there is no such thing.")
]


def to_token(token: model.AccessToken) -> AccessToken:
    return AccessToken(
        id=strawberry.ID(token.id),
        name=token.name,
        scopes=[Scope(scope.value) for scope in sorted(token.scopes)],
        created=TimeNs(token.created_ns),
        expires=TimeNs(token.expires_ns),
        last_used=None if token.used_ns is None else TimeNs(token.used_ns),
        last_address=token.address,
    )


@strawberry.type
class CredentialQuery:
    @query("Sessions of whoever asks, the one used last first.", right=Right.ACCOUNT)
    async def my_sessions(self, info: Info) -> list[Session]:
        who = info.context.principal
        return [
            Session(
                id=strawberry.ID(s.id),
                created=TimeNs(s.created_ns),
                last_used=TimeNs(s.used_ns),
                address=s.address,
                agent=s.agent,
                current=s.id == who.credential_id,
            )
            for s in await info.context.accounts.sign_ins.list_sessions(who.user_id)
        ]

    @query("Personal tokens of whoever asks, oldest first.", right=Right.ACCOUNT)
    async def my_tokens(self, info: Info) -> list[AccessToken]:
        tokens = await info.context.accounts.tokens.list_for_user(info.context.principal.user_id)
        return [to_token(token) for token in tokens]


@strawberry.type
class CredentialMutation:
    @mutation("Makes a personal token. Its secret is in the answer, and nowhere else.", right=Right.ACCOUNT)
    async def create_token(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="What you call it.")],
        scopes: Annotated[list[Scope], strawberry.argument(description="What it is good for.")],
        days: Annotated[int, strawberry.argument(description="How long it lasts, 1 to 366.")] = _DEFAULT_DAYS,
    ) -> CreateTokenResult:
        chosen = {rights.Scope(scope.value) for scope in scopes}
        token, secret = await info.context.accounts.tokens.create(name, chosen, days, info.context.actor)
        return NewToken(token=to_token(token), secret=secret)

    @mutation(
        "Deletes a personal token of whoever asks; it is good for nothing at once.", right=Right.ACCOUNT
    )
    async def delete_token(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The token's id.")]
    ) -> EndResult:
        await info.context.accounts.tokens.delete(id, info.context.actor)
        return Done(message="The token is deleted.")

    @mutation("Ends a session of whoever asks.", right=Right.ACCOUNT)
    async def end_session(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The session's id.")]
    ) -> EndResult:
        context = info.context
        await context.accounts.sign_ins.end_session(id, context.principal.user_id, context.caller.address)
        if id == context.principal.credential_id:
            delete_session_cookie(context)
        return Done(message="The session has ended.")

    @mutation("Ends all sessions of whoever asks but this one; how many there were.", right=Right.ACCOUNT)
    async def end_other_sessions(self, info: Info) -> int:
        return await info.context.accounts.sign_ins.end_other_sessions(
            info.context.principal, info.context.caller.address
        )
