"""Users: how they are shown, and what each may do with an account of its own."""

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


@strawberry.enum(description="How far a user has come on the way into the dashboard.")
class UserState(Enum):
    CREATED = member("created", "Signed up; the mail that asks for confirmation is still to be sent.")
    WAITING_CONFIRMATION_EMAIL = member(
        "waiting_confirmation_email", "Has to confirm the address by the mailed link."
    )
    CONFIRMED = member("confirmed", "Has confirmed; the administrators are still to be told.")
    WAITING_AUTHORIZATION = member("waiting_authorization", "Waits for an administrator's word.")
    AUTHORIZED = member("authorized", "May log in.")
    UNAUTHORIZED = member("unauthorized", "Was disapproved or deauthorized.")


@strawberry.type(description="Somebody with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    email: str = strawberry.field(description="E-mail address.")
    first_name: str = strawberry.field(description="First name; may be empty.")
    last_name: str = strawberry.field(description="Last name; may be empty.")
    picture_url: str = strawberry.field(description="Address of a picture; may be empty.")
    is_admin: bool = strawberry.field(description="Whether the user is an administrator.")
    state: UserState = strawberry.field(description="How far the user has come.")
    created: TimeNs = strawberry.field(description="When the user signed up.")
    last_log_in: TimeNs | None = strawberry.field(description="When the user logged in last; null if never.")


@strawberry.enum(description="What whoever asks may do.")
class Permission(Enum):
    READ = member("read", "See readings and all that is computed from them.")
    EXPORT = member("export", "Load readings as a file.")
    ACCOUNT = member("account", "Change an account of one's own.")
    ADMIN = member("admin", "Administer users and keys, and give commands.")


@strawberry.type(description="What whoever asks may do, and how.")
class Access:
    permissions: list[Permission] = strawberry.field(description="All that is allowed.")
    public_read: bool = strawberry.field(description="Whether reads need no log-in here.")
    by_token: bool = strawberry.field(
        description="Whether it was asked with a personal token, not by log-in."
    )


@strawberry.type(description="It is done.")
class Done:
    message: str = strawberry.field(description="What was done, or what comes next, for people.")


ChangeProfileResult = Annotated[
    User | InvalidInput,
    strawberry.union("ChangeProfileResult", description="The user as changed, or why not."),
]
ChangePasswordResult = Annotated[
    Done | InvalidInput | TooManyAttempts,
    strawberry.union("ChangePasswordResult", description="Done, or why not."),
]
DeleteAccountResult = Annotated[
    Done | InvalidInput | Conflict | TooManyAttempts,
    strawberry.union("DeleteAccountResult", description="Done, or why not."),
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
    @query("Who asks; null for those who are not logged in.", right=Right.ANYONE)
    async def me(self, info: Info) -> User | None:
        context = info.context
        if not context.principal.is_authenticated:
            return None
        user = await context.accounts.users.find(context.principal.user_id)
        return None if user is None else to_user(user)

    @query("What whoever asks may do.", right=Right.ANYONE)
    def access(self, info: Info) -> Access:
        return to_access(info.context)


@strawberry.type
class PeopleMutation:
    @mutation("Changes names and picture of whoever asks.", right=Right.ACCOUNT)
    async def change_profile(
        self,
        info: Info,
        first_name: Annotated[str, strawberry.argument(description="First name; may be empty.")],
        last_name: Annotated[str, strawberry.argument(description="Last name; may be empty.")],
        picture_url: Annotated[
            str, strawberry.argument(description="An address that begins with https://, or empty.")
        ] = "",
    ) -> ChangeProfileResult:
        context = info.context
        user = await context.accounts.users.change_profile(
            context.principal.user_id, first_name, last_name, picture_url, context.actor
        )
        return to_user(user)

    @mutation(
        "Changes the password of whoever asks, and ends all sessions, this one too: log in anew.",
        right=Right.ACCOUNT,
    )
    async def change_password(
        self,
        info: Info,
        current_password: Annotated[str, strawberry.argument(description="The password that holds now.")],
        new_password: Annotated[
            str, strawberry.argument(description="12 to 128 characters that are not easily guessed.")
        ],
    ) -> ChangePasswordResult:
        context = info.context
        await context.accounts.users.change_password(
            context.principal.user_id, current_password, new_password, context.actor
        )
        delete_session_cookie(context)
        return Done(message="The password is changed. Log in with the new one.")

    @mutation("Deletes the account of whoever asks, with its sessions and tokens.", right=Right.ACCOUNT)
    async def delete_my_account(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="The password, to be sure who asks.")],
    ) -> DeleteAccountResult:
        context = info.context
        users = context.accounts.users
        await users.verify_password(context.principal.user_id, password, "password")
        await users.delete(context.principal.user_id, context.actor)
        delete_session_cookie(context)
        return Done(message="The account is deleted.")
