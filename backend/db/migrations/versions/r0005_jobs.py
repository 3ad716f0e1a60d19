"""Recomputation jobs, events of sensors, runs of tasks, and locks between processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("batch", sa.String(32), nullable=False),
        sa.Column("cq_name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("window_length", sa.String(8), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("time_interval_start", sa.BigInteger(), nullable=False),
        sa.Column("time_interval_end", sa.BigInteger(), nullable=False),
        sa.Column("done_from_ns", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("windows_done", sa.BigInteger(), nullable=False),
        sa.Column("last_run_start", sa.BigInteger(), nullable=True),
        sa.Column("last_run_end", sa.BigInteger(), nullable=True),
        sa.Column("last_execution_time", sa.Float(), nullable=True),
        sa.Column("run_s", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_state", "job", ["state"])
    op.create_index("ix_job_changed_ns", "job", ["changed_ns"])
    op.create_table(
        "sensor_event",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("sensor", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("noticed_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sensor_event"),
    )
    op.create_index("ix_sensor_event_changed_ns", "sensor_event", ["changed_ns"])
    op.create_index("ix_sensor_event_sensor", "sensor_event", ["sensor"])
    lasting = sa.text("ended_ns IS NULL")
    op.create_index(
        "uq_sensor_event_lasting",
        "sensor_event",
        ["sensor", "kind"],
        unique=True,
        sqlite_where=lasting,
        postgresql_where=lasting,
    )
    op.create_table(
        "task_run",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failures_in_a_row", sa.BigInteger(), nullable=False),
        sa.Column("sum_s", sa.Float(), nullable=False),
        sa.Column("within", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("succeeded_ns", sa.BigInteger(), nullable=True),
        sa.Column("last_s", sa.Float(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_task_run"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def downgrade() -> None:
    for table in ("lease", "task_run", "sensor_event", "job"):
        op.drop_table(table)
