"""State of the roll-ups that survives a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollup_mark",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_rollup_mark"),
    )
    op.create_table(
        "rollup_dirty",
        sa.Column("sensor", sa.String(255), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sensor", "start_ns", "end_ns", name="pk_rollup_dirty"),
    )
    op.create_index("ix_rollup_dirty_start_ns", "rollup_dirty", ["start_ns"])


def downgrade() -> None:
    op.drop_table("rollup_dirty")
    op.drop_table("rollup_mark")
