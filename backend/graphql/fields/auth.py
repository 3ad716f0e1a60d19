"""How people come in: sign-up, mailed links, log-in, and out again."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from backend.accounts.sign_up import SignUpRequest
from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.failures import Conflict, InvalidInput, NotAllowed, NotFound, TooManyAttempts
from backend.graphql.field import member, mutation, query
from backend.graphql.fields.people import Done, User, to_user
from backend.graphql.transport.cookies import delete_session_cookie, refuse_websocket, set_session_cookie

_MAILED = "A mail is on its way. Follow the link in it."

Email = Annotated[str, strawberry.argument(description="E-mail address.")]
Password = Annotated[
    str, strawberry.argument(description="12 to 128 characters that are not easily guessed.")
]
LinkToken = Annotated[str, strawberry.argument(description="What follows # in the mailed link.")]


@strawberry.enum(description="What a mailed link is for.")
class LinkPurpose(Enum):
    CONFIRM = member("confirm", "To confirm an address.")
    RESET = member("reset", "To choose a new password.")
    DECIDE = member("decide", "For an administrator, to approve or disapprove a user.")


@strawberry.type(description="A mailed link that is still good.")
class MailedLink:
    purpose: LinkPurpose = strawberry.field(description="What it is for.")
    email: str = strawberry.field(description="Address of the user that it is about.")
    name: str = strawberry.field(description="Name of the user that it is about.")


@strawberry.type(description="A session has begun; its cookie came along.")
class LoggedIn:
    user: User = strawberry.field(description="Who has logged in.")


LogInResult = Annotated[
    LoggedIn | NotAllowed | Conflict | TooManyAttempts,
    strawberry.union("LogInResult", description="A session, or why there is none."),
]
MailResult = Annotated[
    Done | InvalidInput | TooManyAttempts,
    strawberry.union(
        "MailResult", description="A mail is sent, or why not. Never tells whether an address is known."
    ),
]
ConfirmEmailResult = Annotated[
    Done | NotFound | InvalidInput | Conflict | TooManyAttempts,
    strawberry.union("ConfirmEmailResult", description="Done, or why not."),
]
ResetPasswordResult = Annotated[
    Done | NotFound | InvalidInput | TooManyAttempts,
    strawberry.union("ResetPasswordResult", description="Done, or why not."),
]
DecideResult = Annotated[
    User | NotFound | Conflict | TooManyAttempts,
    strawberry.union("DecideResult", description="The user as decided on, or why not."),
]
LinkResult = Annotated[
    MailedLink | NotFound | TooManyAttempts,
    strawberry.union("LinkResult", description="What the link is for, or that it is spent."),
]


@strawberry.type
class AuthQuery:
    @query(
        "What a mailed link would do, for the page that asks before it acts. Uses nothing up.",
        right=Right.ANYONE,
    )
    async def mailed_link(self, info: Info, token: LinkToken) -> LinkResult:
        context = info.context
        link = await context.accounts.sign_ups.find_link(token, context.caller.address)
        name = f"{link.user.first_name} {link.user.last_name}".strip()
        return MailedLink(purpose=LinkPurpose(link.purpose.value), email=link.user.email, name=name)


@strawberry.type
class AuthMutation:
    @mutation(
        "Asks for an account. The answer is the same whether the address is known or not; a mail tells what comes next.",
        right=Right.ANYONE,
    )
    async def sign_up(
        self,
        info: Info,
        email: Email,
        password: Password,
        first_name: Annotated[str, strawberry.argument(description="First name.")] = "",
        last_name: Annotated[str, strawberry.argument(description="Last name.")] = "",
    ) -> MailResult:
        context = info.context
        wish = SignUpRequest(email, password, first_name, last_name)
        await context.accounts.sign_ups.sign_up(wish, context.caller.address)
        return Done(message=_MAILED)

    @mutation(
        "Confirms an address: with the mailed link, and the password that was chosen at the sign-up.",
        right=Right.ANYONE,
    )
    async def confirm_email(
        self,
        info: Info,
        token: LinkToken,
        password: Annotated[str, strawberry.argument(description="The password of the sign-up.")],
    ) -> ConfirmEmailResult:
        context = info.context
        await context.accounts.sign_ups.confirm(token, password, context.caller.address)
        return Done(message="The address is confirmed. You get a mail once an administrator has decided.")

    @mutation("An administrator's word on a user who waits, by mailed link.", right=Right.ANYONE)
    async def decide_request(
        self,
        info: Info,
        token: LinkToken,
        approve: Annotated[bool, strawberry.argument(description="True approves, false disapproves.")],
    ) -> DecideResult:
        context = info.context
        user = await context.accounts.sign_ups.decide(token, approve=approve, address=context.caller.address)
        return to_user(user)

    @mutation(
        "Asks for a mail with a link to a new password. The answer is the same whether the address is known or not.",
        right=Right.ANYONE,
    )
    async def request_password_reset(self, info: Info, email: Email) -> MailResult:
        context = info.context
        await context.accounts.sign_ups.request_password_reset(email, context.caller.address)
        return Done(message="If there is an account with this address, a mail is on its way.")

    @mutation("Sets a new password by mailed link, and ends all sessions of the user.", right=Right.ANYONE)
    async def reset_password(self, info: Info, token: LinkToken, password: Password) -> ResetPasswordResult:
        context = info.context
        await context.accounts.sign_ups.reset_password(token, password, context.caller.address)
        return Done(message="The password is changed. Log in with the new one.")

    @mutation("Begins a session, whose cookie comes with the answer.", right=Right.ANYONE)
    async def log_in(
        self,
        info: Info,
        email: Email,
        password: Annotated[str, strawberry.argument(description="The password.")],
    ) -> LogInResult:
        context = info.context
        refuse_websocket(context)
        entered = await context.accounts.sign_ins.log_in(
            email, password, context.caller.address, context.caller.agent, context.cookie
        )
        set_session_cookie(context, entered.secret)
        return LoggedIn(user=to_user(entered.user))

    @mutation("Ends the session. True also where there was none.", right=Right.ANYONE)
    async def log_out(self, info: Info) -> bool:
        context = info.context
        refuse_websocket(context)
        await context.accounts.sign_ins.log_out(context.principal, context.caller.address)
        delete_session_cookie(context)
        return True
