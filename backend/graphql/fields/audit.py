"""The audit log."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from backend.accounts import model
from backend.accounts.repository.audit import AuditFilter
from backend.core.rights import Right
from backend.graphql.arguments import parse_cursor
from backend.graphql.context import Info
from backend.graphql.field import NOT_GIVEN, member, query, value_or_none
from backend.graphql.fields.administration import page_size
from backend.graphql.fields.people import User, to_user
from backend.graphql.fields.sensors import PageInfo
from backend.graphql.scalars import TimeNs


@strawberry.enum(description="What the audit log tells of.")
class AuditKind(Enum):
    SIGNED_UP = member("signed_up", "Somebody asked for an account.")
    CONFIRMED = member("confirmed", "An address was confirmed.")
    LOGGED_IN = member("logged_in", "A session began.")
    LOG_IN_FAILED = member("log_in_failed", "Somebody did not get in.")
    LOGGED_OUT = member("logged_out", "A user ended its own session.")
    SESSION_ENDED = member("session_ended", "A user ended others of its sessions.")
    STATE_CHANGED = member("state_changed", "A user came to another state.")
    PROMOTED = member("promoted", "A user became an administrator.")
    DEMOTED = member("demoted", "An administrator became a plain user.")
    USER_ADDED = member("user_added", "An operator added a user.")
    USER_DELETED = member("user_deleted", "A user was deleted.")
    PROFILE_CHANGED = member("profile_changed", "A user changed its names or picture.")
    PASSWORD_CHANGED = member("password_changed", "A password was changed.")
    RESET_ASKED = member("reset_asked", "Somebody asked for a link to a new password.")
    TOKEN_MADE = member("token_made", "A personal token was made.")
    TOKEN_DELETED = member("token_deleted", "A personal token was deleted.")
    TOKEN_USED = member(
        "token_used", "A personal token was used after an hour without use, or from elsewhere."
    )
    KEY_MADE = member("key_made", "A device key was made.")
    KEY_DELETED = member("key_deleted", "A device key was deleted.")
    MAIL_REFUSED = member("mail_refused", "The mail server refused an address for good.")
    COMMAND = member("command", "A command was given to equipment.")
    CORRECTION = member("correction", "Data were corrected or computed anew by hand.")


@strawberry.type(description="A remark about what was done.")
class AuditDetail:
    name: str = strawberry.field(description="What it is about.")
    value: str = strawberry.field(description="What there is to say.")


@strawberry.type(description="Something that was done. Entries are never changed.")
class AuditEntry:
    id: strawberry.ID = strawberry.field(description="Unique id; a newer entry has a higher one.")
    time: TimeNs = strawberry.field(description="When it was done.")
    kind: AuditKind = strawberry.field(description="What was done.")
    actor_id: strawberry.ID | None = strawberry.field(
        description="Id of the user who did it; null for an operator at the command line, the program itself, or a stranger."
    )
    actor: User | None = strawberry.field(description="That user; null also for one who is deleted since.")
    subject_id: strawberry.ID | None = strawberry.field(description="Id of the user to whom it was done.")
    subject: User | None = strawberry.field(description="That user; null also for one who is deleted since.")
    address: str = strawberry.field(description="Internet address that it was done from; may be empty.")
    details: list[AuditDetail] = strawberry.field(description="More about it.")


@strawberry.type(description="A page of the audit log, newest first.")
class AuditPage:
    entries: list[AuditEntry] = strawberry.field(description="The entries of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page begins and ends.")


def _entry(event: model.AuditEvent, users: dict[str, User]) -> AuditEntry:
    return AuditEntry(
        id=strawberry.ID(str(event.id)),
        time=TimeNs(event.at_ns),
        kind=AuditKind(event.kind.value),
        actor_id=strawberry.ID(event.actor_id) if event.actor_id else None,
        actor=users.get(event.actor_id),
        subject_id=strawberry.ID(event.subject_id) if event.subject_id else None,
        subject=users.get(event.subject_id),
        address=event.address,
        details=[AuditDetail(name=n, value=_said(v)) for n, v in sorted(event.detail.items())],
    )


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


@strawberry.type
class AuditQuery:
    @query("What was done, newest first.", right=Right.ADMIN)
    async def audit_log(
        self,
        info: Info,
        kinds: Annotated[
            list[AuditKind] | None, strawberry.argument(description="Only of these kinds.")
        ] = NOT_GIVEN,
        user: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only done by or to the user of this id.")
        ] = NOT_GIVEN,
        from_: Annotated[
            TimeNs | None, strawberry.argument(name="from", description="Nothing older.")
        ] = NOT_GIVEN,
        to: Annotated[TimeNs | None, strawberry.argument(description="Only older.")] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="How many to answer, at most 200.")
        ] = 50,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor: answer what follows it.")
        ] = NOT_GIVEN,
    ) -> AuditPage:
        accounts, size = info.context.accounts, page_size("auditLog", first)
        which = AuditFilter(
            [model.AuditKind(kind.value) for kind in value_or_none(kinds) or ()],
            value_or_none(user) or "",
            value_or_none(from_),
            value_or_none(to),
            parse_cursor("auditLog", value_or_none(after)),
        )
        events = await accounts.audit.page(which, size + 1)
        shown = events[:size]
        ids = {i for event in shown for i in (event.actor_id, event.subject_id) if i}
        users = {i: to_user(found) for i, found in (await accounts.users.find_many(sorted(ids))).items()}
        entries = [_entry(event, users) for event in shown]
        return AuditPage(
            entries=entries,
            page_info=PageInfo(
                has_next_page=len(events) > size,
                has_previous_page=which.before_id is not None,
                start_cursor=entries[0].id if entries else None,
                end_cursor=entries[-1].id if entries else None,
            ),
        )
