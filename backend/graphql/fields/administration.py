"""What administrators do with users and device keys."""

from __future__ import annotations

from typing import Annotated

import strawberry

from backend.accounts import model
from backend.accounts.repository.users import UserFilter
from backend.core.errors import UserError
from backend.core.rights import Right
from backend.graphql.arguments import parse_cursor
from backend.graphql.context import Info
from backend.graphql.execution.failures import Conflict, InvalidInput, NotFound
from backend.graphql.field import NOT_GIVEN, mutation, query, value_or_none
from backend.graphql.fields.credentials import EndResult
from backend.graphql.fields.people import Done, User, UserState, to_user
from backend.graphql.fields.sensors import PageInfo
from backend.graphql.scalars import TimeNs

DEFAULT_PAGE = 50
MOST = 200


@strawberry.type(description="A user in a list, with the cursor to continue behind it.")
class UserEdge:
    cursor: str = strawberry.field(description="Give it as `after` to get what follows.")
    node: User = strawberry.field(description="The user.")


@strawberry.type(description="A page of users.")
class UserConnection:
    total_count: int = strawberry.field(description="How many users match, on all pages.")
    edges: list[UserEdge] = strawberry.field(description="The users of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page begins and ends.")


@strawberry.type(description="A key by which a device pushes readings.")
class DeviceKey:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    name: str = strawberry.field(description="The device, or the group of devices, that has it.")
    network: str = strawberry.field(description="The only network it is good from; empty for any.")
    created: TimeNs = strawberry.field(description="When it was made.")
    last_used: TimeNs | None = strawberry.field(
        description="When it was used last, to the minute; null if never."
    )


@strawberry.type(description="A new device key with its secret, which is not kept and not shown again.")
class NewDeviceKey:
    key: DeviceKey = strawberry.field(description="The key.")
    secret: str = strawberry.field(description="What the device sends, as `Authorization: Bearer …`.")


UserResult = Annotated[
    User | NotFound | Conflict, strawberry.union("UserResult", description="The user as changed, or why not.")
]
DeleteUserResult = Annotated[
    Done | NotFound | Conflict, strawberry.union("DeleteUserResult", description="Done, or why not.")
]
CreateDeviceKeyResult = Annotated[
    NewDeviceKey | InvalidInput | Conflict,
    strawberry.union("CreateDeviceKeyResult", description="The key, or why not."),
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


def page_size(name: str, first: int | None, default: int = DEFAULT_PAGE) -> int:
    """Raises `UserError`."""
    size = default if first is None else first
    if not 1 <= size <= MOST:
        raise UserError(f"{name}(first: {size}): ask for 1 to {MOST}.", path=("first",))
    return size


@strawberry.type
class AdministrationQuery:
    @query("Users that match all that is given, in the order in which they signed up.", right=Right.ADMIN)
    async def users(
        self,
        info: Info,
        state: Annotated[
            UserState | None, strawberry.argument(description="Only in this state.")
        ] = NOT_GIVEN,
        search: Annotated[
            str | None, strawberry.argument(description="Words that must all be in address or name.")
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="How many to answer, at most 200.")
        ] = DEFAULT_PAGE,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor: answer what follows it.")
        ] = NOT_GIVEN,
    ) -> UserConnection:
        chosen = value_or_none(state)
        which = UserFilter(
            None if chosen is None else model.UserState(chosen.value), value_or_none(search) or ""
        )
        skip = parse_cursor("users", value_or_none(after)) or 0
        found, total = await info.context.accounts.users.page(which, page_size("users", first), skip)
        edges = [
            UserEdge(cursor=str(place), node=to_user(user)) for place, user in enumerate(found, skip + 1)
        ]
        return UserConnection(
            total_count=total,
            edges=edges,
            page_info=PageInfo(
                has_next_page=skip + len(edges) < total,
                has_previous_page=skip > 0,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )

    @query("One user by id; null if there is none.", right=Right.ADMIN)
    async def user(self, info: Info, id: UserId) -> User | None:
        found = await info.context.accounts.users.find(id)
        return None if found is None else to_user(found)

    @query("Keys by which devices push, by name. Keys of the settings are not among them.", right=Right.ADMIN)
    async def device_keys(self, info: Info) -> list[DeviceKey]:
        return [to_key(key) for key in await info.context.accounts.keys.list_all()]


@strawberry.type
class AdministrationMutation:
    @mutation("Lets a user in who waits for it; the user gets a mail.", right=Right.ADMIN)
    async def approve_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.decide(id, approve=True, actor=info.context.actor))

    @mutation("Refuses a user who waits; the user gets a mail.", right=Right.ADMIN)
    async def disapprove_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.decide(id, approve=False, actor=info.context.actor))

    @mutation(
        "Takes a user's rights: sessions end at once, tokens are without power. Not the last administrator's.",
        right=Right.ADMIN,
    )
    async def deauthorize_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.deauthorize(id, info.context.actor))

    @mutation("Gives a user's rights back.", right=Right.ADMIN)
    async def reauthorize_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.reauthorize(id, info.context.actor))

    @mutation("Makes an authorized user an administrator.", right=Right.ADMIN)
    async def promote_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.set_admin(id, info.context.actor, admin=True))

    @mutation("Makes an administrator a plain user. Not the last one.", right=Right.ADMIN)
    async def demote_user(self, info: Info, id: UserId) -> UserResult:
        return to_user(await info.context.accounts.users.set_admin(id, info.context.actor, admin=False))

    @mutation("Deletes a user with all that belongs to it. Not the last administrator.", right=Right.ADMIN)
    async def delete_user(self, info: Info, id: UserId) -> DeleteUserResult:
        await info.context.accounts.users.delete(id, info.context.actor)
        return Done(message="The user is deleted.")

    @mutation(
        "Makes a key by which a device pushes. Its secret is in the answer, and nowhere else.",
        right=Right.ADMIN,
    )
    async def create_device_key(
        self,
        info: Info,
        name: Annotated[
            str, strawberry.argument(description="1 to 64 letters, digits, `_`, `.` or `-`, not used yet.")
        ],
        network: Annotated[
            str,
            strawberry.argument(
                description="The only network it is good from, as 10.0.0.0/8; empty for any."
            ),
        ] = "",
    ) -> CreateDeviceKeyResult:
        key, secret = await info.context.accounts.keys.create(name, network, info.context.actor)
        return NewDeviceKey(key=to_key(key), secret=secret)

    @mutation("Deletes a device key; the door forgets it within seconds.", right=Right.ADMIN)
    async def delete_device_key(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The key's id.")]
    ) -> EndResult:
        await info.context.accounts.keys.delete(id, info.context.actor)
        return Done(message="The key is deleted.")
