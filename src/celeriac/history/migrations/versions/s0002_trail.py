"""Speaks Alembic: transitions stand in the job's own row, and jobs that nobody owns in no index of owners."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; transitions that have rows of their own keep them."""
    op.add_column("celeriac_jobs", sa.Column("trail", sa.Text, nullable=False, server_default=""))
    op.drop_index("celeriac_jobs_owner", "celeriac_jobs")
    owned = sa.text("owner <> ''")
    op.create_index(
        "celeriac_jobs_owner", "celeriac_jobs", ["owner", "state", "n"], sqlite_where=owned, postgresql_where=owned
    )
