"""Users, and what each user may do with its own account."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from backend.accounts import model
from backend.core.rights import Credential, Right
from backend.graphql.context import Context, Info
from backend.graphql.execution.failures import Conflict, InvalidInput, TooManyAttempts
from backend.graphql.field import member, mutation, query
from backend.graphql.scalars import TimeNs
from backend.graphql.transport.cookies import delete_session_cookie


@strawberry.enum(description="The state of a user on the way from sign-up to access.")
class UserState(Enum):
    CREATED = member("created", "Signed up; the confirmation e-mail is not sent yet.")
    WAITING_CONFIRMATION_EMAIL = member(
        "waiting_confirmation_email", "Must confirm the address by the mailed link."
    )
    CONFIRMED = member(
        "confirmed", "Has confirmed the address; the e-mail to the administrators is not sent yet."
    )
    WAITING_AUTHORIZATION = member("waiting_authorization", "Awaits an administrator's approval.")
    AUTHORIZED = member("authorized", "May log in.")
    UNAUTHORIZED = member("unauthorized", "Was rejected or deauthorized.")


@strawberry.type(description="A user account.")
class User:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    email: str = strawberry.field(description="E-mail address.")
    first_name: str = strawberry.field(description="First name; may be empty.")
    last_name: str = strawberry.field(description="Last name; may be empty.")
    picture_url: str = strawberry.field(description="URL of a picture; may be empty.")
    is_admin: bool = strawberry.field(description="True if the user is an administrator.")
    state: UserState = strawberry.field(description="State of the user.")
    created: TimeNs = strawberry.field(description="Time of the sign-up.")
    last_log_in: TimeNs | None = strawberry.field(description="Time of the last log-in; null if never.")


@strawberry.enum(description="A right of the caller.")
class Permission(Enum):
    READ = member("read", "Read all readings and results.")
    EXPORT = member("export", "Export readings as files.")
    ACCOUNT = member("account", "Change one's own account.")
    ADMIN = member("admin", "Administer users and keys, and send commands.")


@strawberry.type(description="The rights of the caller.")
class Access:
    permissions: list[Permission] = strawberry.field(description="All rights of the caller.")
    public_read: bool = strawberry.field(description="True if reads need no log-in on this server.")
    by_token: bool = strawberry.field(
        description="True if the request used a personal token instead of a log-in."
    )


@strawberry.type(description="The operation succeeded.")
class Done:
    message: str = strawberry.field(description="The result, or the next step, as a sentence.")


ChangeProfileResult = Annotated[
    User | InvalidInput,
    strawberry.union("ChangeProfileResult", description="The changed user, or the reason for the failure."),
]
ChangePasswordResult = Annotated[
    Done | InvalidInput | TooManyAttempts,
    strawberry.union("ChangePasswordResult", description="Success, or the reason for the failure."),
]
DeleteAccountResult = Annotated[
    Done | InvalidInput | Conflict | TooManyAttempts,
    strawberry.union("DeleteAccountResult", description="Success, or the reason for the failure."),
]


def to_user(user: model.User) -> User:
    return User(
        id=strawberry.ID(user.id),
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        picture_url=user.picture_url,
        is_admin=user.is_admin,
        state=UserState(user.state.value),
        created=TimeNs(user.created_ns),
        last_log_in=None if user.login_ns is None else TimeNs(user.login_ns),
    )


def to_access(context: Context) -> Access:
    rights = (Right.READ, Right.EXPORT, Right.ACCOUNT, Right.ADMIN)
    return Access(
        permissions=[Permission(right.value) for right in rights if context.may(right)],
        public_read=context.public_read,
        by_token=context.principal.credential is Credential.TOKEN,
    )


@strawberry.type
class PeopleQuery:
    @query("The user who is logged in; null if none is.", right=Right.ANYONE)
    async def me(self, info: Info) -> User | None:
        context = info.context
        if not context.principal.is_authenticated:
            return None
        user = await context.accounts.users.find(context.principal.user_id)
        return None if user is None else to_user(user)

    @query("The rights of the caller.", right=Right.ANYONE)
    def access(self, info: Info) -> Access:
        return to_access(info.context)


@strawberry.type
class PeopleMutation:
    @mutation("Change the names and the picture of the caller.", right=Right.ACCOUNT)
    async def change_profile(
        self,
        info: Info,
        first_name: Annotated[str, strawberry.argument(description="First name; may be empty.")],
        last_name: Annotated[str, strawberry.argument(description="Last name; may be empty.")],
        picture_url: Annotated[
            str, strawberry.argument(description="A URL that begins with https://, or empty.")
        ] = "",
    ) -> ChangeProfileResult:
        context = info.context
        user = await context.accounts.users.change_profile(
            context.principal.user_id, first_name, last_name, picture_url, context.actor
        )
        return to_user(user)

    @mutation(
        "Change the password of the caller and end all its sessions, this one included. Log in again afterwards.",
        right=Right.ACCOUNT,
    )
    async def change_password(
        self,
        info: Info,
        current_password: Annotated[str, strawberry.argument(description="The current password.")],
        new_password: Annotated[
            str, strawberry.argument(description="12 to 128 characters that are hard to guess.")
        ],
    ) -> ChangePasswordResult:
        context = info.context
        await context.accounts.users.change_password(
            context.principal.user_id, current_password, new_password, context.actor
        )
        delete_session_cookie(context)
        return Done(message="The password is changed. Log in with the new one.")

    @mutation("Delete the account of the caller with its sessions and tokens.", right=Right.ACCOUNT)
    async def delete_my_account(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="The password, as confirmation.")],
    ) -> DeleteAccountResult:
        context = info.context
        users = context.accounts.users
        await users.verify_password(context.principal.user_id, password, "password")
        await users.delete(context.principal.user_id, context.actor)
        delete_session_cookie(context)
        return Done(message="The account is deleted.")
