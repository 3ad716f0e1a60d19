"""All tables. A table that is not here is not migrated."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class RollupMark(Base):
    """A point in time that the roll-ups remember: the watermark of a window (`30s`, ...), the `horizon`, or from
    when on a length is kept (`kept_raw`, `kept_30s`, ...). ns UTC."""

    __tablename__ = "rollup_mark"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    at_ns: Mapped[int] = mapped_column(BigInteger)


class RollupDirty(Base):
    """A span of a sensor's history that no longer matches its roll-ups. `version` is new at every marking."""

    __tablename__ = "rollup_dirty"
    __table_args__ = (Index(None, "start_ns"),)

    sensor: Mapped[str] = mapped_column(String(255), primary_key=True)
    start_ns: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    end_ns: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
