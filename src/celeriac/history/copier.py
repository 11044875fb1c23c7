"""Speaks SQL and the journal: copies what happened, in batches, on a native thread; one process at a time.

1. `start` begins a thread in this process. Of all processes one holds the part `history` and copies.
2. A step reads what comes after the cursor, then the records, and stores both in one transaction with the cursor.
3. An entry that should be there and is not, or makes no sense, is a gap: it is noted, and what is missing is read from
   the live records.
4. Another birth means that Redis has lost its memory: what was unfinished is queued again.

A process that dies anywhere leaves the cursor where the stored rows end. While SQL is away, the journal waits.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from celeriac.config import Settings
from celeriac.errors import BrokerError, HistoryError
from celeriac.history import cursor as cursors
from celeriac.history import gaps, migrate, retention
from celeriac.history.claims import claim
from celeriac.history.copying import store
from celeriac.history.cursor import Cursor, Superseded
from celeriac.history.database import Database, url_of
from celeriac.history.fitting import store_fitting
from celeriac.history.grouping import jobs_of
from celeriac.history.reconcile import Reconciler
from celeriac.history.rows import RESULT_LIMIT, Row
from celeriac.history.unhurried import unhurried
from celeriac.history.waiting import Waiting
from celeriac.queue import native
from celeriac.store import journal
from celeriac.store.clients import RedisError
from celeriac.store.connection import connect
from celeriac.store.moves import Space

logger = logging.getLogger(__name__)

BATCH = 4000  # entries of one transaction
PACE = 0.5  # seconds between two looks when there was little to copy
HOLD = 5.0  # seconds for which the part is ours without renewal
TRY = 1.0  # seconds between two attempts to get it, and to say how it goes
PRUNE = 3600.0  # seconds between two prunings
PART = "history"


def space_of(settings: Settings) -> Space:
    """Return where the app's keys live."""
    return Space(settings.key_prefix, settings.lease, settings.max_losses, settings.retention)


@dataclass(slots=True)
class Copier:
    """The copying of one process. `celery` is the app's Celery app, for what must be queued again; `patience` are
    the seconds between two attempts to get the part: whoever has less goes first."""

    settings: Settings
    celery: Any
    patience: float = TRY
    pid: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
    stopping: bool = False
    running: bool = False
    _client: Any = None
    _database: Database | None = None
    _holds_until: float = 0.0
    _cursor: Cursor | None = None
    _noted: float = 0.0
    _touched: float = 0.0
    _pruned: float = 0.0
    _rebuild: gaps.Rebuild | None = None
    _left: list[str] = field(default_factory=list)
    _waiting: Waiting = field(default_factory=Waiting)
    _error: str = ""
    _pause: float = PACE

    def start(self) -> None:
        """Begin to copy, on a thread that gevent has not patched."""
        self.running = True
        native.start(self.run)

    def stop(self, seconds: float = 2.0) -> None:
        """Ask the thread to end after its present step, and wait for that."""
        self.stopping = True
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            native.sleep(0.01)

    def run(self) -> None:
        """Copy until told to stop."""
        self.running = True
        try:
            self._sleep(self.patience - TRY)
            while not self.stopping:
                if not self.step_safely():
                    self._sleep(self._pause)
            self._let_go()
        finally:
            self.running = False
            if self._database is not None:
                self._database.dispose()

    def step_safely(self) -> bool:
        """Do one step; return whether there is more to do at once. What fails is said, and tried again later."""
        try:
            with unhurried():
                more = self.step()
        except Superseded:
            self._forget()
            return False
        except (HistoryError, BrokerError, RedisError, OSError) as error:
            self._fail(error)
            return False
        except Exception as error:  # a thread that dies silently would stop the history for good
            logger.exception("The history cannot be copied.")
            self._fail(error)
            return False
        if self._error:
            logger.warning("The history is copied again.")
            self._error, self._noted = "", 0.0
        self._pause = PACE if self._holds_until else self.patience
        return more

    def step(self) -> bool:
        """Copy a batch, when the part is ours; return whether there is more to do at once."""
        if not self._hold():
            return False
        cursor = self._cursor or self._begin()
        look = journal.look(self.client, self.space, cursor.entry, BATCH)
        if not look.birth or look.birth != cursor.birth:
            self._turn(cursor)
            return True
        broken = not look.anchored or look.trimmed
        if look.reached or broken:
            self._copy(cursor, look, broken)
        elif time.monotonic() - self._touched > HOLD:
            self._advance(cursor, cursor.entry)
        busy = not look.whole and self._mend(cursor)
        if busy:  # it may have changed rows
            self._waiting.forget()
        if self._left and not look.reached:  # all that was there when they were found is copied
            journal.settled(self.client, self.space, self._left)
            self._left = []
        self._say()
        return busy or look.whole

    # -- what a step needs ---------

    @property
    def client(self) -> Any:
        self._client = self._client or connect(self.settings)
        return self._client

    @property
    def database(self) -> Database:
        self._database = self._database or Database(url_of(self.settings))
        return self._database

    @property
    def space(self) -> Space:
        return space_of(self.settings)

    def _hold(self) -> bool:
        now = time.monotonic()
        if self._holds_until - now > HOLD - TRY:
            return True
        lapsed = now > self._holds_until  # then another one may have copied
        mine = journal.hold(self.client, self.space, PART, self.token, HOLD)
        if lapsed or not mine:
            self._forget()
        self._holds_until = now + HOLD if mine else 0.0
        return mine

    def _begin(self) -> Cursor:
        """Read the cursor. Raises NotOurs, HistoryUnfit."""
        migrate.require(self.database, self.settings.key_prefix)
        self._cursor = claim(self.database, self.client, self.space, self.token)
        self._left = journal.waiting_messages(self.client, self.space)  # by a copier that died, or still to come
        return self._cursor

    def _turn(self, cursor: Cursor) -> None:
        birth = journal.bear(self.client, self.space)
        if cursor.birth:
            logger.warning("Redis has lost its memory (birth %s, was %s).", birth, cursor.birth)
        with self.database.write() as connection:
            cursors.turn_to(connection, cursor, birth, self.token)
            self._cursor = cursors.read(connection)[0]

    def _copy(self, cursor: Cursor, look: journal.Look, broken: bool) -> None:
        reached = look.reached or min(look.last, cursor.entry)  # Redis is back at an earlier moment
        new: list[list[Row]] = []  # of a batch in pieces a later one may change what an earlier one wrote
        with self.database.write() as connection:
            cursors.advance(connection, cursor, reached, self.token)

            def copy(entries: Sequence[journal.Entry]) -> list[str]:
                done, rows = store(connection, cursor.no, jobs_of(entries), self._read, self._waiting)
                new.append(rows)
                return done

            kept, unfit = store_fitting(connection, look.entries, copy, attrgetter("job"))
            lost = sorted([*look.unread, *(entry.number for entry in unfit)])
            if broken:
                gaps.note(connection, cursor.no, cursor.entry, look.entries[0].number if look.entries else reached)
            if lost:
                gaps.note(connection, cursor.no, lost[0] - 1, gaps.after(lost[-1]))
            self._cursor = cursors.read(connection)[0]
        self._waiting.keep(new[0] if len(new) == 1 else ())
        self._touched = time.monotonic()
        if broken or lost:
            self._tell_gap(lost)
        journal.copied(self.client, self.space, reached, int(time.time() * 1000), kept)

    def _tell_gap(self, lost: Sequence[int]) -> None:
        if self._rebuild is not None and self._rebuild.done:  # else it is looked for after that
            self._rebuild = None
        logger.warning("The journal has a gap%s: the history is completed from the live records.", gaps.why(lost))

    def _read(self, ids: Sequence[str], told: bool) -> Mapping[str, journal.Detail]:
        limit, names = (0, journal.STEADY) if told else (RESULT_LIMIT, journal.FIELDS)
        return journal.details(self.client, self.space, ids, limit, names)

    def _advance(self, cursor: Cursor, entry: int) -> None:
        with self.database.write() as connection:
            cursors.advance(connection, cursor, entry, self.token)
        self._touched = time.monotonic()

    def _mend(self, cursor: Cursor) -> bool:
        """Go on with what is to be completed, restored or pruned; return whether there is more at once."""
        if self._rebuild is None:
            self._rebuild = gaps.Rebuild.find(self.database, cursor.no)
        if not self._rebuild.done:
            self._rebuild.step(self.database, self.client, self.space)
            return True
        if not cursor.settled or self._rebuild.pop_mended():
            self._rebuild = None  # more may have been lost meanwhile
            Reconciler(self.database, self.client, self.space, self.celery).run(self._still)
            with self.database.read() as connection:
                self._cursor = cursors.read(connection)[0]
            return True
        if time.monotonic() - self._pruned > PRUNE or not self._pruned:
            more = retention.prune(self.database, self.settings.history_retention)
            self._pruned = time.monotonic() if not more else self._pruned
            return more > 0
        return False

    def _still(self) -> None:
        """Keep the part during something long. Raises Superseded when it is another's."""
        if not self._hold():
            raise Superseded

    def _say(self) -> None:
        now = time.monotonic()
        if self._cursor is None or now - self._noted < TRY:
            return
        fields: dict[str, str | int] = {
            "copied": self._cursor.entry, "at": int(time.time() * 1000), "error": self._error, "holder": self.token,
            "database": self._cursor.database, "url": str(self.database),
            "gap": int(self._rebuild is not None and not self._rebuild.done),
        }  # fmt: skip
        journal.note(self.client, self.space, fields)
        self._noted = now

    def _fail(self, error: Exception) -> None:
        """Say what is wrong, give the part to another process, and try again later and later."""
        if str(error) != self._error:
            logger.warning("The history cannot be copied: %s", error)
        self._error = str(error)
        self._pause = min(5.0, max(0.5, self._pause * 2))
        if self._database is not None:
            self._database.dispose()
        try:
            if self._holds_until:
                journal.note(self.client, self.space, {"error": self._error, "failed_at": int(time.time() * 1000)})
        except (BrokerError, RedisError, OSError):
            logger.debug("Redis is away, too.")
        self._let_go()

    def _let_go(self) -> None:
        try:
            if self._holds_until:
                journal.hold(self.client, self.space, PART, self.token, 0)
        except (BrokerError, RedisError, OSError):
            logger.debug("Redis is away; the part falls free by itself.")
        self._forget()

    def _forget(self) -> None:
        self._holds_until, self._cursor, self._rebuild = 0.0, None, None
        self._waiting.forget()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            native.sleep(min(0.05, seconds))
