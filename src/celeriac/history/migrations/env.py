"""Speaks Alembic: runs the steps on the connection that `migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="celeriac_version",
    transactional_ddl=False,  # the caller's transaction holds all of it
)
context.run_migrations()
