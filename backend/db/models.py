"""All tables. Migrations ignore a table that is not imported here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Float, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import account_tables  # noqa: F401  declares the tables of accounts
from backend.db.base import Base

_SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""An id that the database generates. SQLite generates ids only for columns of type INTEGER."""


class RollupMark(Base):
    """A time in ns UTC that the roll-ups store: the watermark of a window (`30s`, ...), the `horizon`, or the start of the
    retained data of a window (`kept_raw`, `kept_30s`, ...)."""

    __tablename__ = "rollup_mark"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    at_ns: Mapped[int] = mapped_column(BigInteger)


class RollupDirty(Base):
    """A dirty window: a span of a sensor's history that no longer matches its roll-ups. Each marking sets a new `version`."""

    __tablename__ = "rollup_dirty"
    __table_args__ = (Index(None, "start_ns"),)

    sensor: Mapped[str] = mapped_column(String(255), primary_key=True)
    start_ns: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    end_ns: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)


class RollupSeries(Base):
    """A rolled-up series as last described. History before `stale_ns` fits an older description; NULL if all of it fits."""

    __tablename__ = "rollup_series"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    shape: Mapped[str] = mapped_column(String(64))
    expects: Mapped[str] = mapped_column(String(64))
    stale_ns: Mapped[int | None] = mapped_column(BigInteger)
    recompute: Mapped[bool] = mapped_column(Boolean)


class LearnedPeriodRow(Base):
    """The learned period of a sensor, in seconds, and the time of learning in ns UTC."""

    __tablename__ = "learned_period"

    sensor: Mapped[str] = mapped_column(String(255), primary_key=True)
    period_s: Mapped[float] = mapped_column(Float)
    at_ns: Mapped[int] = mapped_column(BigInteger)


class JobRow(Base):
    """A recomputation job. Times are ns UTC; `series` is a JSON list of names."""

    __tablename__ = "job"
    __table_args__ = (Index(None, "state"), Index(None, "changed_ns"))

    id: Mapped[int] = mapped_column(_SERIAL, primary_key=True)
    batch: Mapped[str] = mapped_column(String(32))
    cq_name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    window: Mapped[str] = mapped_column("window_length", String(8))
    series: Mapped[str] = mapped_column(Text)
    whole: Mapped[bool] = mapped_column(Boolean)
    priority: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    interval_start_ns: Mapped[int] = mapped_column("time_interval_start", BigInteger)
    interval_end_ns: Mapped[int] = mapped_column("time_interval_end", BigInteger)
    done_from_ns: Mapped[int] = mapped_column(BigInteger)
    windows: Mapped[int] = mapped_column(BigInteger)
    windows_done: Mapped[int] = mapped_column(BigInteger)
    last_run_start_ns: Mapped[int | None] = mapped_column("last_run_start", BigInteger)
    last_run_end_ns: Mapped[int | None] = mapped_column("last_run_end", BigInteger)
    last_execution_s: Mapped[float | None] = mapped_column("last_execution_time", Float)
    run_s: Mapped[float] = mapped_column(Float)
    attempts: Mapped[int] = mapped_column(Integer)
    last_error: Mapped[str] = mapped_column(Text)
    created_ns: Mapped[int] = mapped_column(BigInteger)
    changed_ns: Mapped[int] = mapped_column(BigInteger)
    ended_ns: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(Integer)


class EventRow(Base):
    """A sensor event. Times are ns UTC; `changed_ns` is when the start or the end was noticed."""

    __tablename__ = "sensor_event"
    __table_args__ = (
        Index(None, "changed_ns"),
        Index(None, "sensor"),
        # A sensor has at most one ongoing event of a kind.
        Index(
            "uq_sensor_event_lasting",
            "sensor",
            "kind",
            unique=True,
            sqlite_where=text("ended_ns IS NULL"),
            postgresql_where=text("ended_ns IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(_SERIAL, primary_key=True)
    sensor: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    at_ns: Mapped[int] = mapped_column(BigInteger)
    message: Mapped[str] = mapped_column(Text)
    value: Mapped[float | None] = mapped_column(Float)
    ended_ns: Mapped[int | None] = mapped_column(BigInteger)
    noticed_ns: Mapped[int] = mapped_column(BigInteger)
    changed_ns: Mapped[int] = mapped_column(BigInteger)


class TaskRow(Base):
    """Run statistics of a periodic task. `bucket_counts` is a JSON list with the number of runs in each bucket of durations."""

    __tablename__ = "task_run"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(BigInteger)
    failures_in_a_row: Mapped[int] = mapped_column(BigInteger)
    sum_s: Mapped[float] = mapped_column(Float)
    bucket_counts: Mapped[str] = mapped_column("within", Text)
    started_ns: Mapped[int] = mapped_column(BigInteger)
    succeeded_ns: Mapped[int | None] = mapped_column(BigInteger)
    last_s: Mapped[float] = mapped_column(Float)
    last_error: Mapped[str] = mapped_column(Text)


class LeaseRow(Base):
    """A lock between processes: its owner, and its expiry in ns UTC unless the owner renews it."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    until_ns: Mapped[int] = mapped_column(BigInteger)
