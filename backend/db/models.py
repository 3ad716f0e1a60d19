"""All tables. A table that is not here is not migrated."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import account_tables  # noqa: F401  declares the tables of accounts
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


class RollupSeries(Base):
    """A rolled-up series as it was last described; `stale_ns` is where its history stops to fit that, NULL where all fits."""

    __tablename__ = "rollup_series"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    shape: Mapped[str] = mapped_column(String(64))
    expects: Mapped[str] = mapped_column(String(64))
    stale_ns: Mapped[int | None] = mapped_column(BigInteger)
    recompute: Mapped[bool] = mapped_column(Boolean)


class LearnedPeriodRow(Base):
    """Seconds between two readings of a sensor, as learned at a time (ns UTC)."""

    __tablename__ = "learned_period"

    sensor: Mapped[str] = mapped_column(String(255), primary_key=True)
    period_s: Mapped[float] = mapped_column(Float)
    at_ns: Mapped[int] = mapped_column(BigInteger)
