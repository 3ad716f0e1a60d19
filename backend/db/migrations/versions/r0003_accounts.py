"""Users, sessions, tokens, device keys and the mail outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _belongs(table: str, column: str = "user_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["user_account.id"], name=f"fk_{table}_{column}_user_account", ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "user_account",
        _text("id", 32),
        _text("email", 254),
        _text("email_key", 254),
        _text("password_hash", 255),
        _text("first_name", 100),
        _text("last_name", 100),
        _text("picture_url", 500),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        _text("state", 32),
        _time("created_ns"),
        _time("login_ns", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user_account"),
        sa.UniqueConstraint("email_key", name="uq_user_account_email_key"),
    )
    op.create_index("ix_user_account_state", "user_account", ["state"])
    _create_credentials()
    _create_mail()


def _create_credentials() -> None:
    op.create_table(
        "login_session",
        _text("id", 32),
        _text("secret_hash", 64),
        _text("user_id", 32),
        _time("created_ns"),
        _time("used_ns"),
        _text("address", 64),
        _text("agent", 200),
        _belongs("login_session"),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        sa.UniqueConstraint("secret_hash", name="uq_login_session_secret_hash"),
    )
    op.create_index("ix_login_session_user_id", "login_session", ["user_id"])
    op.create_table(
        "access_token",
        _text("id", 32),
        _text("secret_hash", 64),
        _text("user_id", 32),
        _text("name", 100),
        _text("scopes", 64),
        _time("created_ns"),
        _time("expires_ns"),
        _time("used_ns", nullable=True),
        _text("address", 64),
        _belongs("access_token"),
        sa.PrimaryKeyConstraint("id", name="pk_access_token"),
        sa.UniqueConstraint("secret_hash", name="uq_access_token_secret_hash"),
    )
    op.create_index("ix_access_token_user_id", "access_token", ["user_id"])
    op.create_table(
        "device_key",
        _text("id", 32),
        _text("secret_hash", 64),
        _text("name", 64),
        _text("network", 64),
        _time("created_ns"),
        _time("used_ns", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_device_key"),
        sa.UniqueConstraint("secret_hash", name="uq_device_key_secret_hash"),
        sa.UniqueConstraint("name", name="uq_device_key_name"),
    )


def _create_mail() -> None:
    op.create_table(
        "mail_token",
        _text("secret_hash", 64),
        _text("user_id", 32),
        _text("holder_id", 32),
        _text("purpose", 16),
        _time("expires_ns"),
        _belongs("mail_token"),
        _belongs("mail_token", "holder_id"),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_mail_token"),
    )
    for column in ("user_id", "holder_id", "expires_ns"):
        op.create_index(f"ix_mail_token_{column}", "mail_token", [column])
    op.create_table(
        "mail_outbox",
        _text("id", 32),
        _text("kind", 16),
        _text("user_id", 32),
        _text("to_id", 32),
        _time("created_ns"),
        _time("due_ns"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("claim", 32),
        _text("error", 300),
        _belongs("mail_outbox"),
        _belongs("mail_outbox", "to_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mail_outbox"),
    )
    for column in ("user_id", "to_id", "due_ns"):
        op.create_index(f"ix_mail_outbox_{column}", "mail_outbox", [column])


def downgrade() -> None:
    for table in ("mail_outbox", "mail_token", "device_key", "access_token", "login_session", "user_account"):
        op.drop_table(table)
