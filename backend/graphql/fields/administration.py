"""Administration of users and device keys."""

from __future__ import annotations

from typing import Annotated

import strawberry

from backend.accounts import model
from backend.accounts.repository.users import UserFilter
from backend.core.errors import UserError
from backend.core.rights import Right
from backend.graphql.arguments import After, parse_cursor
from backend.graphql.context import Info
from backend.graphql.execution.failures import Conflict, InvalidInput, NotFound
from backend.graphql.field import NOT_GIVEN, mutation, query, value_or_none
from backend.graphql.fields.credentials import EndResult
from backend.graphql.fields.pages import PageInfo, page_info
from backend.graphql.fields.people import Done, User, UserState, to_user
from backend.graphql.scalars import TimeNs

DEFAULT_PAGE = 50
MAX_PAGE = 200


@strawberry.type(description="A user in a list, with its cursor.")
class UserEdge:
    cursor: str = strawberry.field(
        description="Cursor of this entry: pass it as `after` to get the entries after it."
    )
    node: User = strawberry.field(description="The user.")


@strawberry.type(description="A page of users.")
class UserConnection:
    total_count: int = strawberry.field(description="Number of matching users on all pages.")
    edges: list[UserEdge] = strawberry.field(description="The users of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page in the list.")


@strawberry.type(description="A key that authenticates a device that pushes readings.")
class DeviceKey:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    name: str = strawberry.field(description="The device, or the group of devices, that uses the key.")
    network: str = strawberry.field(
        description="The only network from which the key is accepted; empty for any."
    )
    created: TimeNs = strawberry.field(description="Time of creation.")
    last_used: TimeNs | None = strawberry.field(
        description="Time of the last use, to the minute; null if never used."
    )


@strawberry.type(
    description="A new device key with its secret. The server stores only a hash and cannot show the secret again."
)
class NewDeviceKey:
    key: DeviceKey = strawberry.field(description="The key.")
    secret: str = strawberry.field(
        description="The secret that the device sends, as `Authorization: Bearer …`."
    )


UserResult = Annotated[
    User | NotFound | Conflict,
    strawberry.union("UserResult", description="The changed user, or the reason for the failure."),
]
DeleteUserResult = Annotated[
    Done | NotFound | Conflict,
    strawberry.union("DeleteUserResult", description="Success, or the reason for the failure."),
]
CreateDeviceKeyResult = Annotated[
    NewDeviceKey | InvalidInput | Conflict,
    strawberry.union("CreateDeviceKeyResult", description="The new key, or the reason for the failure."),
]
UserId = Annotated[strawberry.ID, strawberry.argument(description="The user's id.")]


def to_key(key: model.DeviceKey) -> DeviceKey:
    return DeviceKey(
        id=strawberry.ID(key.id),
        name=key.name,
        network=key.network,
        created=TimeNs(key.created_ns),
        last_used=None if key.used_ns is None else TimeNs(key.used_ns),
    )


def page_size(field: str, first: int | None, default: int = DEFAULT_PAGE) -> int:
    """Return the number of entries on a page. Raises `UserError` unless it is from 1 to `MAX_PAGE`."""
    size = default if first is None else first
    if not 1 <= size <= MAX_PAGE:
        raise UserError(f"{field}(first: {size}): must be from 1 to {MAX_PAGE}.", path=("first",))
    return size


@strawberry.type
class AdministrationQuery:
    @query("Users that match all filters, in the order of their sign-up.", right=Right.ADMIN)
    async def users(
        self,
        info: Info,
        state: Annotated[
            UserState | None, strawberry.argument(description="Only users in this state.")
        ] = NOT_GIVEN,
        search: Annotated[
            str | None, strawberry.argument(description="Words that must all be in the address or the name.")
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="Maximum number of entries, up to 200.")
        ] = DEFAULT_PAGE,
        after: After = NOT_GIVEN,
    ) -> UserConnection:
        only = value_or_none(state)
        user_state = None if only is None else model.UserState(only.value)
        user_filter = UserFilter(user_state, value_or_none(search) or "")
        skip = parse_cursor("users", value_or_none(after)) or 0
        users, total = await info.context.accounts.users.page(user_filter, page_size("users", first), skip)
        edges = [
            UserEdge(cursor=str(position), node=to_user(user))
            for position, user in enumerate(users, skip + 1)
        ]
        return UserConnection(
            total_count=total,
            edges=edges,
            page_info=page_info(edges, has_next=skip + len(edges) < total, has_previous=skip > 0),
        )

    @query("One user by id; null if it does not exist.", right=Right.ADMIN)
    async def user(self, info: Info, id: UserId) -> User | None:
        user = await info.context.accounts.users.find(id)
        return None if user is None else to_user(user)

    @query("Device keys in the database, by name. Keys from the settings are not listed.", right=Right.ADMIN)
    async def device_keys(self, info: Info) -> list[DeviceKey]:
        return [to_key(key) for key in await info.context.accounts.keys.list_all()]


@strawberry.type
class AdministrationMutation:
    @mutation("Approve a user who awaits approval. The user gets an e-mail.", right=Right.ADMIN)
    async def approve_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.decide(id, approve=True, actor=info.context.actor))

    @mutation("Reject a user who awaits approval. The user gets an e-mail.", right=Right.ADMIN)
    async def disapprove_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.decide(id, approve=False, actor=info.context.actor))

    @mutation(
        "Withdraw a user's access: sessions end at once, and tokens stop working. Not possible for the last "
        "administrator.",
        right=Right.ADMIN,
    )
    async def deauthorize_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.deauthorize(id, info.context.actor))

    @mutation("Restore a user's access.", right=Right.ADMIN)
    async def reauthorize_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.reauthorize(id, info.context.actor))

    @mutation("Make an authorized user an administrator.", right=Right.ADMIN)
    async def promote_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.set_admin(id, info.context.actor, admin=True))

    @mutation(
        "Make an administrator an ordinary user. Not possible for the last administrator.", right=Right.ADMIN
    )
    async def demote_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.set_admin(id, info.context.actor, admin=False))

    @mutation("Delete a user with all its data. Not possible for the last administrator.", right=Right.ADMIN)
    async def delete_user(self, info: Info, id: UserId) -> DeleteUserResult:
        await info.context.accounts.users.delete(id, info.context.actor)
        return Done(message="The user is deleted.")

    @mutation(
        "Create a key for a device that pushes readings. Only this response contains its secret.",
        right=Right.ADMIN,
    )
    async def create_device_key(
        self,
        info: Info,
        name: Annotated[
            str, strawberry.argument(description="A new name of 1 to 64 letters, digits, `_`, `.` or `-`.")
        ],
        network: Annotated[
            str,
            strawberry.argument(
                description="The only network from which the key is accepted, such as 10.0.0.0/8; empty for any."
            ),
        ] = "",
    ) -> CreateDeviceKeyResult:
        key, secret = await info.context.accounts.keys.create(name, network, info.context.actor)
        return NewDeviceKey(key=to_key(key), secret=secret)

    @mutation("Delete a device key. The ingest endpoint rejects it within seconds.", right=Right.ADMIN)
    async def delete_device_key(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The key's id.")]
    ) -> EndResult:
        await info.context.accounts.keys.delete(id, info.context.actor)
        return Done(message="The key is deleted.")
