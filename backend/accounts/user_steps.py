"""Steps that several services share: change a user's state, put an e-mail into the outbox, protect the last administrator."""

from __future__ import annotations

from backend.accounts.credentials import new_id
from backend.accounts.errors import Conflict, NotFound
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditKind, MailKind, OutboxMail, User, UserEvent, UserState, next_state
from backend.accounts.repository import Repository
from backend.core.clock import Clock


async def get_user(repo: Repository, user_id: str) -> User:
    """Return the user. Raises `NotFound`."""
    user = await repo.users.find(user_id)
    if user is None:
        raise NotFound("User not found. The account may have been deleted.")
    return user


async def change_state(
    repo: Repository, log: AuditLog, user_id: str, state: UserState, event: UserEvent, actor: Actor
) -> UserState:
    """Apply an event to a user in `state`, and return the new state.

    Raises `Conflict` if the event is not permitted in `state`, or the user is no longer in it.
    """
    new_state = next_state(state, event)
    if new_state is None or not await repo.users.change_state(user_id, state, new_state):
        raise Conflict(f"The user {describe_state(state)} and cannot be {_EVENT_TEXTS[event]}.")
    await log.write(repo, AuditKind.STATE_CHANGED, actor, user_id, event=event.value, state=new_state.value)
    return new_state


async def require_another_admin(repo: Repository, user: User) -> None:
    """Raise `Conflict` if `user` is the only administrator. Call it only in an exclusive unit of work."""
    admins = await repo.users.list_admins()
    if [admin.id for admin in admins] == [user.id]:
        raise Conflict("This is the only administrator. Make another user an administrator first.")


async def enqueue_mail(repo: Repository, clock: Clock, kind: MailKind, user_id: str, to_id: str) -> None:
    """Put an e-mail into the outbox, to be sent with the next batch."""
    now = clock.now_ns()
    await repo.outbox.add(OutboxMail(new_id(), kind, user_id, to_id, now, now))


def describe_state(state: UserState) -> str:
    """Return the state as the end of a sentence that begins with "the user"."""
    return _STATE_TEXTS[state]


_STATE_TEXTS = {
    UserState.CREATED: "has just signed up",
    UserState.WAITING_CONFIRMATION_EMAIL: "has not confirmed the e-mail address yet",
    UserState.CONFIRMED: "has confirmed the e-mail address and is awaiting approval",
    UserState.WAITING_AUTHORIZATION: "is awaiting approval",
    UserState.AUTHORIZED: "is authorized",
    UserState.UNAUTHORIZED: "is not authorized",
}
_EVENT_TEXTS = {
    UserEvent.EMAIL_SENT: "sent a confirmation e-mail",
    UserEvent.CONFIRM_EMAIL: "confirmed",
    UserEvent.NOTIFY_ADMIN: "submitted for approval",
    UserEvent.APPROVE: "approved",
    UserEvent.DISAPPROVE: "rejected",
    UserEvent.DEAUTHORIZE: "deauthorized",
    UserEvent.REAUTHORIZE: "reauthorized",
}
