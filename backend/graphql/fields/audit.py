"""The audit log."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from backend.accounts import model
from backend.accounts.repository.audit import AuditFilter
from backend.core.rights import Right
from backend.graphql.arguments import After, parse_cursor
from backend.graphql.context import Info
from backend.graphql.field import NOT_GIVEN, member, query, value_or_none
from backend.graphql.fields.administration import page_size
from backend.graphql.fields.pages import PageInfo
from backend.graphql.fields.people import User, to_user
from backend.graphql.scalars import TimeNs


@strawberry.enum(description="The kind of an entry of the audit log.")
class AuditKind(Enum):
    SIGNED_UP = member("signed_up", "Someone requested an account.")
    CONFIRMED = member("confirmed", "A user confirmed an address.")
    LOGGED_IN = member("logged_in", "A session started.")
    LOG_IN_FAILED = member("log_in_failed", "A log-in failed.")
    LOGGED_OUT = member("logged_out", "A user ended their own session.")
    SESSION_ENDED = member("session_ended", "A user ended their other sessions.")
    STATE_CHANGED = member("state_changed", "The state of a user changed.")
    PROMOTED = member("promoted", "A user became an administrator.")
    DEMOTED = member("demoted", "An administrator became an ordinary user.")
    USER_ADDED = member("user_added", "An operator added a user.")
    USER_DELETED = member("user_deleted", "A user was deleted.")
    PROFILE_CHANGED = member("profile_changed", "A user changed their names or picture.")
    PASSWORD_CHANGED = member("password_changed", "A password was changed.")
    RESET_ASKED = member("reset_asked", "Someone requested a link to set a new password.")
    TOKEN_MADE = member("token_made", "A personal token was created.")
    TOKEN_DELETED = member("token_deleted", "A personal token was deleted.")
    TOKEN_USED = member(
        "token_used", "A personal token was used after an hour without use, or from another address."
    )
    KEY_MADE = member("key_made", "A device key was created.")
    KEY_DELETED = member("key_deleted", "A device key was deleted.")
    MAIL_REFUSED = member("mail_refused", "The mail server permanently rejected an address.")
    COMMAND = member("command", "A command was sent to equipment.")
    CORRECTION = member("correction", "Data were corrected or recomputed manually.")


@strawberry.type(description="A detail of an entry of the audit log.")
class AuditDetail:
    name: str = strawberry.field(description="Name of the detail.")
    value: str = strawberry.field(description="Value of the detail.")


@strawberry.type(description="An entry of the audit log. Entries never change.")
class AuditEntry:
    id: strawberry.ID = strawberry.field(description="Unique id; newer entries have larger ids.")
    time: TimeNs = strawberry.field(description="Time of the action.")
    kind: AuditKind = strawberry.field(description="Kind of the action.")
    actor_id: strawberry.ID | None = strawberry.field(
        description="Id of the user who acted; null for an operator at the command line, for the server itself and for "
        "anonymous callers."
    )
    actor: User | None = strawberry.field(description="The user who acted; null also if deleted since.")
    subject_id: strawberry.ID | None = strawberry.field(
        description="Id of the user on whom the action was taken."
    )
    subject: User | None = strawberry.field(
        description="The user on whom the action was taken; null also if deleted since."
    )
    address: str = strawberry.field(
        description="Internet address from which the action was taken; may be empty."
    )
    details: list[AuditDetail] = strawberry.field(description="Details of the action.")


@strawberry.type(description="A page of the audit log, newest first.")
class AuditPage:
    entries: list[AuditEntry] = strawberry.field(description="The entries of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page in the list.")


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
        details=[AuditDetail(name=n, value=_detail_text(v)) for n, v in sorted(event.detail.items())],
    )


def _detail_text(value: object) -> str:
    """Return a value of a detail as text: true and false in lower case, None as empty."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


@strawberry.type
class AuditQuery:
    @query("The audit log, newest entry first.", right=Right.ADMIN)
    async def audit_log(
        self,
        info: Info,
        kinds: Annotated[
            list[AuditKind] | None, strawberry.argument(description="Only entries of these kinds.")
        ] = NOT_GIVEN,
        user: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Only actions by or on the user with this id."),
        ] = NOT_GIVEN,
        from_: Annotated[
            TimeNs | None, strawberry.argument(name="from", description="Only entries at or after this time.")
        ] = NOT_GIVEN,
        to: Annotated[
            TimeNs | None, strawberry.argument(description="Only entries before this time.")
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="Maximum number of entries, up to 200.")
        ] = 50,
        after: After = NOT_GIVEN,
    ) -> AuditPage:
        accounts, size = info.context.accounts, page_size("auditLog", first)
        audit_filter = AuditFilter(
            [model.AuditKind(kind.value) for kind in value_or_none(kinds) or ()],
            value_or_none(user) or "",
            value_or_none(from_),
            value_or_none(to),
            parse_cursor("auditLog", value_or_none(after)),
        )
        events = await accounts.audit.page(audit_filter, size + 1)
        page = events[:size]
        ids = {i for event in page for i in (event.actor_id, event.subject_id) if i}
        users = {i: to_user(user) for i, user in (await accounts.users.find_many(sorted(ids))).items()}
        entries = [_entry(event, users) for event in page]
        return AuditPage(
            entries=entries,
            page_info=PageInfo(
                has_next_page=len(events) > size,
                has_previous_page=audit_filter.before_id is not None,
                start_cursor=entries[0].id if entries else None,
                end_cursor=entries[-1].id if entries else None,
            ),
        )
