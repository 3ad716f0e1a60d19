"""Tables of accounts: users, credentials, mailed links, the mail outbox and the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base

_ID = String(32)
_HASH = String(64)


def _user_reference() -> Mapped[str]:
    """Return a reference to a user. The row is deleted together with the user."""
    return mapped_column(_ID, ForeignKey("user_account.id", ondelete="CASCADE"), index=True)


class UserRow(Base):
    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    """The address in normalized form, for comparison."""
    password_hash: Mapped[str] = mapped_column(String(255))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    picture_url: Mapped[str] = mapped_column(String(500))
    is_admin: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(String(32), index=True)
    created_ns: Mapped[int] = mapped_column(BigInteger)
    login_ns: Mapped[int | None] = mapped_column(BigInteger)


class SessionRow(Base):
    __tablename__ = "login_session"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(_HASH, unique=True)
    user_id: Mapped[str] = _user_reference()
    created_ns: Mapped[int] = mapped_column(BigInteger)
    used_ns: Mapped[int] = mapped_column(BigInteger)
    address: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))


class TokenRow(Base):
    __tablename__ = "access_token"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(_HASH, unique=True)
    user_id: Mapped[str] = _user_reference()
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(64))
    created_ns: Mapped[int] = mapped_column(BigInteger)
    expires_ns: Mapped[int] = mapped_column(BigInteger)
    used_ns: Mapped[int | None] = mapped_column(BigInteger)
    address: Mapped[str] = mapped_column(String(64))
    """Network address of the last use."""


class DeviceKeyRow(Base):
    __tablename__ = "device_key"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(_HASH, unique=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    network: Mapped[str] = mapped_column(String(64))
    """The only network in which the key is valid; empty for any."""
    created_ns: Mapped[int] = mapped_column(BigInteger)
    used_ns: Mapped[int | None] = mapped_column(BigInteger)


class MailTokenRow(Base):
    __tablename__ = "mail_token"

    secret_hash: Mapped[str] = mapped_column(_HASH, primary_key=True)
    user_id: Mapped[str] = _user_reference()
    holder_id: Mapped[str] = mapped_column(_ID, ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    """The recipient of the mail: the user, or an administrator."""
    purpose: Mapped[str] = mapped_column(String(16))
    expires_ns: Mapped[int] = mapped_column(BigInteger, index=True)


class OutboxRow(Base):
    __tablename__ = "mail_outbox"
    __table_args__ = (Index(None, "due_ns"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[str] = _user_reference()
    to_id: Mapped[str] = mapped_column(_ID, ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    created_ns: Mapped[int] = mapped_column(BigInteger)
    due_ns: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    claim: Mapped[str] = mapped_column(_ID)
    """Id of the batch that is sending the mail now. A claim expires when the mail is due again."""
    error: Mapped[str] = mapped_column(String(300))


class AuditRow(Base):
    """An audit entry. Triggers refuse changes and deletions.

    Users are given by id only, so entries do not identify a deleted user.
    """

    __tablename__ = "audit_event"
    __table_args__ = (Index(None, "at_ns"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at_ns: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    actor_id: Mapped[str] = mapped_column(_ID)
    subject_id: Mapped[str] = mapped_column(_ID)
    address: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
