"""Sessions and personal tokens of the caller."""

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


@strawberry.enum(description="The scope of a personal token.")
class Scope(Enum):
    READ = member("read", "Read everything that a user can see.")
    EXPORT = member("export", "Export readings as files.")
    ADMIN = member("admin", "Administer. Only a token of an administrator can have it.")


@strawberry.type(description="A session: a log-in on one browser.")
class Session:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    created: TimeNs = strawberry.field(description="Start of the session.")
    last_used: TimeNs = strawberry.field(description="Time of the last use, to the minute.")
    address: str = strawberry.field(description="Internet address at the log-in.")
    agent: str = strawberry.field(description="User-Agent of the browser.")
    current: bool = strawberry.field(description="True if the request belongs to this session.")


@strawberry.type(description="A personal token, for notebooks and scripts.")
class AccessToken:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    name: str = strawberry.field(description="Name that its owner chose.")
    scopes: list[Scope] = strawberry.field(description="Scopes of the token.")
    created: TimeNs = strawberry.field(description="Time of creation.")
    expires: TimeNs = strawberry.field(description="Time of expiry.")
    last_used: TimeNs | None = strawberry.field(
        description="Time of the last use, to the minute; null if never used."
    )
    last_address: str = strawberry.field(description="Internet address of the last use; may be empty.")


@strawberry.type(
    description="A new token with its secret. The server stores only a hash and cannot show the secret again."
)
class NewToken:
    token: AccessToken = strawberry.field(description="The token.")
    secret: str = strawberry.field(description="The secret to send, as `Authorization: Bearer …`.")


CreateTokenResult = Annotated[
    NewToken | InvalidInput | Conflict,
    strawberry.union("CreateTokenResult", description="The new token, or the reason for the failure."),
]
EndResult = Annotated[
    Done | NotFound, strawberry.union("EndResult", description="Success, or the reason for the failure.")
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
    @query("Sessions of the caller, most recently used first.", right=Right.ACCOUNT)
    async def my_sessions(self, info: Info) -> list[Session]:
        principal = info.context.principal
        return [
            Session(
                id=strawberry.ID(s.id),
                created=TimeNs(s.created_ns),
                last_used=TimeNs(s.used_ns),
                address=s.address,
                agent=s.agent,
                current=s.id == principal.credential_id,
            )
            for s in await info.context.accounts.sign_ins.list_sessions(principal.user_id)
        ]

    @query("Personal tokens of the caller, oldest first.", right=Right.ACCOUNT)
    async def my_tokens(self, info: Info) -> list[AccessToken]:
        tokens = await info.context.accounts.tokens.list_for_user(info.context.principal.user_id)
        return [to_token(token) for token in tokens]


@strawberry.type
class CredentialMutation:
    @mutation("Create a personal token. Only this response contains its secret.", right=Right.ACCOUNT)
    async def create_token(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="A name of your choice.")],
        scopes: Annotated[list[Scope], strawberry.argument(description="Scopes of the token.")],
        days: Annotated[int, strawberry.argument(description="Lifetime in days, 1 to 366.")] = _DEFAULT_DAYS,
    ) -> CreateTokenResult:
        token_scopes = {rights.TokenScope(scope.value) for scope in scopes}
        token, secret = await info.context.accounts.tokens.create(
            name, token_scopes, days, info.context.actor
        )
        return NewToken(token=to_token(token), secret=secret)

    @mutation("Delete a personal token of the caller. It stops working at once.", right=Right.ACCOUNT)
    async def delete_token(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The token's id.")]
    ) -> EndResult:
        await info.context.accounts.tokens.delete(id, info.context.actor)
        return Done(message="The token is deleted.")

    @mutation("End a session of the caller.", right=Right.ACCOUNT)
    async def end_session(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The session's id.")]
    ) -> EndResult:
        context = info.context
        await context.accounts.sign_ins.end_session(id, context.principal.user_id, context.caller.address)
        if id == context.principal.credential_id:
            delete_session_cookie(context)
        return Done(message="The session has ended.")

    @mutation("End all other sessions of the caller. Answers their number.", right=Right.ACCOUNT)
    async def end_other_sessions(self, info: Info) -> int:
        return await info.context.accounts.sign_ins.end_other_sessions(
            info.context.principal, info.context.caller.address
        )
