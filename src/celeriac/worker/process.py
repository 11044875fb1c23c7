"""What one process keeps for a Celery app: its settings, its writer, its table of deliveries. Speaks Celery.

A forked child starts anew: nothing here outlives the pid that made it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from celeriac.config import Settings
from celeriac.queue.table import Table
from celeriac.store import moves
from celeriac.worker.writer import Writer


@dataclass(slots=True)
class Process:
    """One process's parts; `table` only where a consumer runs."""

    pid: int = field(default_factory=os.getpid)
    writer: Writer | None = None
    table: Table | None = None


def process_of(app: Any) -> Process:
    """Return what this process keeps for the app."""
    kept: Process | None = app.__dict__.get("celeriac_process")
    if kept is None or kept.pid != os.getpid():
        kept = app.celeriac_process = Process()
    return kept


def settings_of(app: Any) -> Settings:
    """Return the app's settings; a plain Celery app that only uses our backend has the defaults."""
    settings = getattr(app, "settings", None)
    return settings if isinstance(settings, Settings) else Settings()


def space_of(app: Any) -> moves.Space:
    """Return where the app's keys live."""
    s = settings_of(app)
    return moves.Space(s.key_prefix, s.lease, s.max_losses, s.retention)


def writer_of(app: Any, client: Any = None) -> Writer:
    """Return this process's writer. Where a consumer runs, ends are written in groups and end their delivery there."""
    kept = process_of(app)
    if kept.writer is None:
        kept.writer = Writer(client or app.backend.client, space_of(app), grouped=kept.table is not None)
        if kept.table is not None:
            kept.writer.finished = kept.table.finish
    return kept.writer


def adopt(app: Any, table: Table) -> None:
    """Say that this process consumes: its deliveries are in this table."""
    kept = process_of(app)
    if kept.table is not table or (kept.writer is not None and kept.writer.closed):
        kept.table, kept.writer = table, None
