"""Speaks SQL: what ended longer ago than the retention is forgotten, a few jobs at a time."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import delete, or_, select

from celeriac.history.copying import forget
from celeriac.history.counting import WIDTHS
from celeriac.history.database import Database
from celeriac.history.schema import SHIFT, buckets, jobs, timings
from celeriac.job import TERMINAL

CHUNK = 500  # jobs of one transaction
FINE = 48 * 3600.0  # seconds for which minutes are kept; hours are kept as long as jobs
PAGES = 200  # of SQLite's file, given back to the disk with each chunk


def prune(database: Database, retention: float, now: float | None = None) -> int:
    """Remove some of the jobs that ended more than `retention` seconds ago; return how many, 0 when none are left."""
    seconds = time.time() if now is None else now
    before = int((seconds - retention) * 1000)
    ended = (jobs.c.state.in_(sorted(TERMINAL)), or_(jobs.c.finished_at.is_(None), jobs.c.finished_at < before))
    old = select(jobs.c.n).where(jobs.c.n < before << SHIFT, *ended).order_by(jobs.c.n).limit(CHUNK)
    with database.write() as connection:
        keys = list(connection.execute(old).scalars())
        if keys:
            forget(connection, keys)
        for table in (buckets, timings):
            for width in WIDTHS:
                kept = min(FINE, retention) if width == WIDTHS[0] else retention
                connection.execute(delete(table).where(table.c.width == width, table.c.at < int(seconds - kept)))
    if keys and database.is_sqlite:
        with database.read() as connection:
            connection.exec_driver_sql("COMMIT")  # it frees pages only outside a transaction
            plain: Any = connection.connection.dbapi_connection
            plain.execute(f"PRAGMA incremental_vacuum({PAGES})").fetchall()
            connection.exec_driver_sql("BEGIN")
    return len(keys)
