"""Last description of each series, and learned periods."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollup_series",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("shape", sa.String(64), nullable=False),
        sa.Column("expects", sa.String(64), nullable=False),
        sa.Column("stale_ns", sa.BigInteger(), nullable=True),
        sa.Column("recompute", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_rollup_series"),
    )
    op.create_table(
        "learned_period",
        sa.Column("sensor", sa.String(255), nullable=False),
        sa.Column("period_s", sa.Float(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sensor", name="pk_learned_period"),
    )


def downgrade() -> None:
    op.drop_table("learned_period")
    op.drop_table("rollup_series")
