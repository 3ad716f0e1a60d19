"""Sign-up, mailed links, log-in and log-out."""

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

_MAILED = "We sent an e-mail. Open the link in it."

Email = Annotated[str, strawberry.argument(description="E-mail address.")]
Password = Annotated[str, strawberry.argument(description="12 to 128 characters that are hard to guess.")]
LinkToken = Annotated[str, strawberry.argument(description="The part after # in the mailed link.")]


@strawberry.enum(description="The purpose of a mailed link.")
class LinkPurpose(Enum):
    CONFIRM = member("confirm", "Confirm an address.")
    RESET = member("reset", "Set a new password.")
    DECIDE = member("decide", "Let an administrator approve or reject a user.")


@strawberry.type(description="A mailed link that is still valid.")
class MailedLink:
    purpose: LinkPurpose = strawberry.field(description="Purpose of the link.")
    email: str = strawberry.field(description="Address of the user that the link concerns.")
    name: str = strawberry.field(description="Name of the user that the link concerns.")


@strawberry.type(description="A new session. Its cookie comes with the response.")
class LoggedIn:
    user: User = strawberry.field(description="The user who logged in.")


LogInResult = Annotated[
    LoggedIn | NotAllowed | Conflict | TooManyAttempts,
    strawberry.union("LogInResult", description="The session, or the reason for the failure."),
]
MailResult = Annotated[
    Done | InvalidInput | TooManyAttempts,
    strawberry.union(
        "MailResult",
        description="Success, or the reason for the failure. The result does not reveal whether an address has an "
        "account.",
    ),
]
ConfirmEmailResult = Annotated[
    Done | NotFound | InvalidInput | Conflict | TooManyAttempts,
    strawberry.union("ConfirmEmailResult", description="Success, or the reason for the failure."),
]
ResetPasswordResult = Annotated[
    Done | NotFound | InvalidInput | TooManyAttempts,
    strawberry.union("ResetPasswordResult", description="Success, or the reason for the failure."),
]
DecideResult = Annotated[
    User | NotFound | Conflict | TooManyAttempts,
    strawberry.union(
        "DecideResult", description="The approved or rejected user, or the reason for the failure."
    ),
]
LinkResult = Annotated[
    MailedLink | NotFound | TooManyAttempts,
    strawberry.union("LinkResult", description="The purpose of the link, or the reason why it is not valid."),
]


@strawberry.type
class AuthQuery:
    @query(
        "The purpose of a mailed link, so that a page can require confirmation first. Does not use the link.",
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
        "Request an account. The response does not reveal whether the address has an account. An e-mail "
        "contains the next step.",
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
        request = SignUpRequest(email, password, first_name, last_name)
        await context.accounts.sign_ups.sign_up(request, context.caller.address)
        return Done(message=_MAILED)

    @mutation(
        "Confirm an address with the mailed link and the password of the sign-up.",
        right=Right.ANYONE,
    )
    async def confirm_email(
        self,
        info: Info,
        token: LinkToken,
        password: Annotated[str, strawberry.argument(description="The password that was set at sign-up.")],
    ) -> ConfirmEmailResult:
        context = info.context
        await context.accounts.sign_ups.confirm(token, password, context.caller.address)
        return Done(message="The address is confirmed. We will e-mail you the decision of an administrator.")

    @mutation("Approve or reject a user by the link in an administrator's e-mail.", right=Right.ANYONE)
    async def decide_request(
        self,
        info: Info,
        token: LinkToken,
        approve: Annotated[bool, strawberry.argument(description="True approves, false rejects.")],
    ) -> DecideResult:
        context = info.context
        user = await context.accounts.sign_ups.decide(token, approve=approve, address=context.caller.address)
        return to_user(user)

    @mutation(
        "Request an e-mail with a link to set a new password. The response does not reveal whether the address "
        "has an account.",
        right=Right.ANYONE,
    )
    async def request_password_reset(self, info: Info, email: Email) -> MailResult:
        context = info.context
        await context.accounts.sign_ups.request_password_reset(email, context.caller.address)
        return Done(
            message="If there is an account with this address, we sent an e-mail. Open the link in it."
        )

    @mutation("Set a new password by mailed link, and end all sessions of the user.", right=Right.ANYONE)
    async def reset_password(self, info: Info, token: LinkToken, password: Password) -> ResetPasswordResult:
        context = info.context
        await context.accounts.sign_ups.reset_password(token, password, context.caller.address)
        return Done(message="The password is changed. Log in with the new one.")

    @mutation("Start a session. Its cookie comes with the response.", right=Right.ANYONE)
    async def log_in(
        self,
        info: Info,
        email: Email,
        password: Annotated[str, strawberry.argument(description="The password.")],
    ) -> LogInResult:
        context = info.context
        refuse_websocket(context)
        log_in = await context.accounts.sign_ins.log_in(
            email, password, context.caller.address, context.caller.agent, context.cookie
        )
        set_session_cookie(context, log_in.secret)
        return LoggedIn(user=to_user(log_in.user))

    @mutation("End the session. True also without a session.", right=Right.ANYONE)
    async def log_out(self, info: Info) -> bool:
        context = info.context
        refuse_websocket(context)
        await context.accounts.sign_ins.log_out(context.principal, context.caller.address)
        delete_session_cookie(context)
        return True
