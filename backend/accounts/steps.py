"""Steps that several services take: one transition of a user's state, one mail to the outbox, one administrator left."""

from __future__ import annotations

from backend.accounts.credentials import new_id
from backend.accounts.errors import Conflict, NotFound
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditKind, MailKind, User, UserEvent, UserState, Waiting, after
from backend.accounts.repository import Repository
from backend.core.clock import Clock


async def found(within: Repository, user_id: str) -> User:
    """Raises `NotFound`."""
    user = await within.users.find(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


async def transit(
    within: Repository, log: AuditLog, user_id: str, state: UserState, event: UserEvent, actor: Actor
) -> UserState:
    """The new state. Raises `Conflict` where the event does not lead anywhere from `state`, or the user is no longer in it."""
    end = after(state, event)
    if end is None or not await within.users.move(user_id, state, end):
        raise Conflict(f"A user who is {spoken(state)} cannot be {_DONE[event]}.")
    await log.write(within, AuditKind.STATE_CHANGED, actor, user_id, event=event.value, state=end.value)
    return end


async def keep_an_admin(within: Repository, user: User) -> None:
    """Raises `Conflict` where nobody could administer without `user`. Only in a unit of work that runs alone."""
    admins = await within.users.admins()
    if [admin.id for admin in admins] == [user.id]:
        raise Conflict("This is the only administrator: promote another user first.")


async def post(within: Repository, clock: Clock, kind: MailKind, user_id: str, to_id: str) -> None:
    """Into the outbox."""
    now = clock.now_ns()
    await within.outbox.add(Waiting(new_id(), kind, user_id, to_id, now, now))


def spoken(state: UserState) -> str:
    return _SPOKEN[state]


_SPOKEN = {
    UserState.CREATED: "just signed up",
    UserState.WAITING_CONFIRMATION_EMAIL: "still to confirm the e-mail address",
    UserState.CONFIRMED: "confirmed, with the administrators still to be told",
    UserState.WAITING_AUTHORIZATION: "waiting for authorization",
    UserState.AUTHORIZED: "authorized",
    UserState.UNAUTHORIZED: "not authorized",
}
_DONE = {
    UserEvent.EMAIL_SENT: "sent a confirmation",
    UserEvent.CONFIRM_EMAIL: "confirmed",
    UserEvent.NOTIFY_ADMIN: "announced to administrators",
    UserEvent.APPROVE: "approved",
    UserEvent.DISAPPROVE: "disapproved",
    UserEvent.DEAUTHORIZE: "deauthorized",
    UserEvent.REAUTHORIZE: "reauthorized",
}
