"""Alembic's entry point: runs the migrations on the connection in the configuration."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

import backend.db.models  # noqa: F401  declares the tables
from backend.db.base import Base

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
