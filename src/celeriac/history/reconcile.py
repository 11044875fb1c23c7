"""Speaks SQL: what Redis has forgotten and had not finished is queued again, each job once.

1. Every unfinished job of the history is looked up in Redis; those that it knows are left alone.
2. What was being cancelled, or is past its expiry, ends as cancelled; without its arguments a job is lost, and said so.
3. The others are submitted under their ids, by a move that does nothing where Redis knows the job by then.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, bindparam, or_, select, update

from celeriac.history import cursor as cursors
from celeriac.history.copying import Writes, forget, write
from celeriac.history.database import Database
from celeriac.history.rows import trail_of
from celeriac.history.schema import SHIFT, jobs
from celeriac.job import LIVE, TERMINAL, State
from celeriac.store import journal
from celeriac.store.journal import Entry
from celeriac.store.moves import Space
from celeriac.worker.restore import Forgotten, restore

logger = logging.getLogger(__name__)

CHUNK = 500
PART = "reconcile"
HOLD = 30.0  # seconds for one chunk
LEAP = 1_000_000  # a restored job's events go on far beyond those that anybody may have seen
RESTORED = "restored after Redis lost its memory"


@dataclass(slots=True)
class Reconciled:
    """How many jobs were queued again, ended as cancelled (or expired), were lost, or had ended before."""

    restored: int = 0
    cancelled: int = 0
    lost: int = 0
    ended: int = 0


@dataclass(slots=True)
class Reconciler:
    """One reconciliation."""

    database: Database
    client: Any
    space: Space
    celery: Any
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    _birth: int = 0

    def run(self, still: Callable[[], None] = lambda: None) -> Reconciled | None:
        """Go through all unfinished jobs; None when another process is at it. `still` is called between chunks.

        Raises BrokerUnavailable, HistoryUnavailable; then it is not settled, and another run does the rest.
        """
        if not journal.hold(self.client, self.space, PART, self.token, HOLD):
            return None
        found = Reconciled()
        try:
            with self.database.read() as connection:
                self._birth = cursors.read(connection)[0].no
            last = -1
            while rows := self._unfinished(last):
                self._chunk(rows, found)
                last = rows[-1].n
                still()
                journal.hold(self.client, self.space, PART, self.token, HOLD)
            self._settle(found.restored)
        finally:
            journal.hold(self.client, self.space, PART, self.token, 0)
        if found.restored or found.lost:
            logger.warning("Redis had forgotten jobs: %d are queued again, %d are lost.", found.restored, found.lost)
        return found

    def _unfinished(self, after: int) -> list[Row[Any]]:
        live = select(jobs).where(jobs.c.state.in_(sorted(LIVE)), jobs.c.n > after).order_by(jobs.c.n).limit(CHUNK)
        with self.database.read() as connection:
            return list(connection.execute(live))

    def _chunk(self, rows: list[Row[Any]], found: Reconciled) -> None:
        unknown = journal.unknown(self.client, self.space, [row.id for row in rows])
        lost = [row for row in rows if row.id in unknown]
        again, closed, deleted = [], [], []
        for row in lost:
            job = _forgotten(row, self._birth)
            if unknown[row.id] == "deleted":
                deleted.append(row.n)
            elif unknown[row.id] in TERMINAL:
                closed.append((row, unknown[row.id], ""))
                found.ended += 1
            elif row.state == State.CANCELLING or job.is_expired(datetime.now(UTC)):
                closed.append((row, State.CANCELLED, "cancelled" if row.state == State.CANCELLING else "expired"))
                found.cancelled += 1
            elif job.is_whole():
                again.append(job)
            else:
                closed.append((row, State.LOST, "Redis lost its memory, and the arguments were not kept"))
                found.lost += 1
                logger.error("Job %s (%s) is lost: its arguments were not kept.", row.id, row.task)
        if again:
            restore(self.celery, again)
            found.restored += len(again)
        self._close(closed, deleted)

    def _close(self, closed: list[tuple[Row[Any], str, str]], deleted: list[int]) -> None:
        if not closed and not deleted:
            return
        with self.database.write() as connection:
            cursor, now = cursors.read(connection)
            if deleted:
                forget(connection, deleted)
            writes = Writes()
            for i, (row, state, reason) in enumerate(closed):
                entry = Entry((now << SHIFT) + i, row.id, state, row.seq, None, now, reason)
                writes.trails.append((row.n, trail_of(cursor.no, [entry])))
                writes.counts.add(now, row.task, row.queue, state)
            write(connection, writes)
            if closed:
                live = or_(*(jobs.c.state == state for state in sorted(LIVE)))
                change = update(jobs).where(jobs.c.n == bindparam("key"), live)
                connection.execute(
                    change.values(state=bindparam("to"), reason=bindparam("why"), finished_at=bindparam("at")),
                    [{"key": row.n, "to": state, "why": reason, "at": now} for row, state, reason in closed],
                )

    def _settle(self, restored: int) -> None:
        with self.database.write() as connection:
            cursor, _ = cursors.read(connection)
            birth = journal.look(self.client, self.space, 0, 1).birth
            if birth and birth == cursor.birth:
                cursors.settle(connection, cursor.no, restored)


def _forgotten(row: Row[Any], birth: int) -> Forgotten:
    """Return what is to be submitted. Its fence and its events go on where nobody has seen any: an attempt that still
    runs somewhere comes too late."""
    return Forgotten(
        row.id, row.task, row.queue, row.args or "", row.options or "", row.retries, _future(row.due),
        row.root_id, row.parent_id, row.group_id,
        {"created_at": row.n >> SHIFT, "attempt": row.attempt, "losses": row.losses, "seq": row.seq + LEAP,
         "fence": birth * LEAP, "reason": RESTORED},
        {"owner": row.owner},
    )  # fmt: skip


def repeated(row: Row[Any], birth: int, arguments: Mapping[str, Any] | None) -> Forgotten:
    """Return a job that ended as it is to run once more: at once, without expiry, and with its retries to come."""
    job = _forgotten(row, birth)
    options = json.loads(job.options or "{}")
    options.pop("expires", None)
    given = job.arguments
    if arguments is not None:
        given = json.dumps([[], dict(arguments), *(json.loads(given)[2:] if given else ())])
    fields = {**job.fields, "losses": 0, "reason": "retried", "attempts": row.attempts or ""}
    return replace(job, arguments=given, options=json.dumps(options), retries=0, due=None, fields=fields)


def _future(due: int | None) -> int | None:
    return due if due and due > time.time() * 1000 else None
