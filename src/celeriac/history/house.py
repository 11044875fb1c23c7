"""Speaks SQL for one app: everything that others may ask of the history. Opens nothing before the first question."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from celeriac.config import Settings
from celeriac.errors import Conflict, HistoryOff
from celeriac.history import claims, fresh, gaps, migrate, pages, retention, statistics
from celeriac.history import cursor as cursors
from celeriac.history.copier import TRY, Copier, space_of
from celeriac.history.database import Database, url_of
from celeriac.history.filters import Filter
from celeriac.history.reconcile import Reconciled, Reconciler, repeated
from celeriac.history.schema import jobs
from celeriac.history.status import Status, status
from celeriac.history.timeline import Transition, timeline
from celeriac.store import record
from celeriac.store.record import Record
from celeriac.worker.restore import restore


class History:
    """The history of one app. Every question raises HistoryUnavailable or HistoryUnfit where SQL does not
    answer, HistoryOff where there is none."""

    def __init__(self, settings: Settings, celery: Any) -> None:
        self._settings = settings
        self._celery = celery
        self._database = Database(url_of(settings))
        self._counted: tuple[float, list[statistics.Count]] = (0.0, [])

    @property
    def on(self) -> bool:
        """Is there a history? Without our transport nothing is noted that it could copy."""
        return self._settings.history and self._settings.transport != "stock"

    @property
    def _asked(self) -> Database:
        if not self.on:
            raise HistoryOff("There is no history to look into: it is turned off.", "Set CELERIAC_HISTORY=true.")
        return self._database

    # -- jobs ---------

    def page(self, filter: Filter, size: int = 50, token: str = "") -> pages.Page:
        """Return some jobs, the newest first. Raises BadRequest for a filter or a token that makes no sense."""
        return pages.list_jobs(self._asked, filter, size, token)

    def page_now(self, filter: Filter, size: int = 50, token: str = "") -> pages.Page:
        """Return some jobs as they are at this moment, and those that were submitted just now, the newest first.

        Raises BadRequest for a filter or a token that makes no sense, BrokerUnavailable.
        """
        return fresh.list_now(self._asked, self._celery.client, space_of(self._settings), filter, size, token)

    def find(self, id: str) -> Record | None:
        """Return a job, also long after Redis has forgotten it; None when it is not known."""
        return pages.find_job(self._asked, id)

    def timeline(self, id: str) -> list[Transition]:
        """Return everything that happened to a job, the oldest first, with a gap where the journal was lost."""
        return timeline(self._asked, id)

    def last_scheduled(self, task: str, name: str) -> tuple[str, datetime] | None:
        """Return id and time of the last job that beat submitted for a schedule of a task (Celery's name), if known."""
        return pages.last_scheduled(self._asked, task, name)

    def count(self, filter: Filter) -> int:
        """Return how many jobs fit."""
        return pages.count_jobs(self._asked, filter)

    def ids(self, filter: Filter, most: int | None = None) -> Iterator[str]:
        """Yield the ids of all jobs that fit when asked, for what is done to many of them."""
        return pages.ids(self._asked, filter, most)

    def run_again(self, id: str, arguments: Mapping[str, Any] | None = None) -> bool:
        """Queue a job again that ended and that Redis has forgotten, with other arguments where some are given.

        False where its own were not kept. A second one changes nothing. Raises BrokerUnavailable.
        """
        with self._asked.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == id)).one()
            birth = cursors.read(connection)[0].no
        job = repeated(row, birth, arguments)
        if not job.is_whole():
            return False
        if record.unbury(self._celery.client, space_of(self._settings), id):
            restore(self._celery, [job])
        return True

    # -- numbers ---------

    def counts(self, age: float = 0.0) -> list[statistics.Count]:
        """Return how many jobs of each task are in each state, as they were at most `age` seconds ago.

        Counting may take a tenth of a second at a million jobs.
        """
        at, found = self._counted
        if not age or not at or time.monotonic() - at > age:
            found = statistics.counts(self._asked)
            self._counted = (time.monotonic(), found)
        return found

    def series(
        self, since: datetime, until: datetime, step: int, task: str | None = None, queue: str | None = None
    ) -> list[statistics.Point]:
        """Return throughput, failures, run time and queue wait for each `step` seconds. Raises BadRequest."""
        return statistics.series(self._asked, since, until, step, task, queue)

    # -- care ---------

    def status(self) -> Status:
        """Return how the copying goes; asks Redis alone. Raises BrokerUnavailable."""
        return status(self._celery.client, space_of(self._settings), self.on)

    def gaps(self) -> list[dict[str, int | None]]:
        """Return the gaps of the journal that were noted, the latest first."""
        return list(gaps.list_gaps(self._database))

    def version(self) -> tuple[str | None, str]:
        """Return the version of the tables (None without any), and the one that this release needs."""
        return migrate.present(self._database), migrate.newest()

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the tables up to date; return (version before, version now)."""
        return migrate.upgrade(self._database, self._settings.key_prefix)

    def prune(self, seconds: float | None = None) -> int:
        """Forget all jobs that ended longer ago than this (the setting, without); return how many."""
        total = 0
        while n := retention.prune(self._database, self._settings.history_retention if seconds is None else seconds):
            total += n
        return total

    def reconcile(self) -> Reconciled:
        """Queue again what Redis has forgotten. Raises Conflict while another process does, and claims.NotOurs."""
        space, client = space_of(self._settings), self._celery.client
        claims.claim(self._database, client, space, "")
        done = Reconciler(self._database, client, space, self._celery).run()
        if done is None:
            raise Conflict("Another process is reconciling at this moment.", "Wait for it.")
        return done

    def close(self) -> None:
        """Close the connections of this process."""
        self._database.dispose()

    def copier(self, patience: float = TRY) -> Copier:
        """Return what copies, for one process; with more patience, when no other one does."""
        return Copier(self._settings, self._celery, patience)
