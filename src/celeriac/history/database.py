"""Speaks SQL: one engine for each process, and what its silence means.

SQLite: WAL, one writer at a time from the first statement of its transaction, a file that its owner alone may read.
PostgreSQL: psycopg 3, bounded waiting. Nothing is opened before the first use; a forked child opens anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError

from celeriac.config import Settings
from celeriac.errors import HistoryDamaged, HistoryError, HistoryUnavailable, HistoryUnfit

FILE = "history.db"
PATIENCE = 5.0  # seconds for a lock, and for a connection
QUERY_LIMIT = 30.0  # seconds for one statement on PostgreSQL
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

PRAGMAS = (
    "auto_vacuum = INCREMENTAL",  # takes effect in an empty file alone
    "journal_mode = WAL",
    "synchronous = NORMAL",  # what a power cut takes, the journal still has
    "temp_store = MEMORY",
    "cache_size = -32000",
)


def url_of(settings: Settings) -> URL:
    """Return where the history lives, with the driver that this room uses."""
    if not settings.database_url:
        return URL.create("sqlite", database=str(Path(settings.data).resolve() / FILE))
    url = make_url(settings.database_url)
    return url.set(drivername="sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg")


class Database:
    """The history's database; connections of one process never reach another."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._engine: Engine | None = None
        self._pid = 0

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for queries. Raises HistoryUnavailable, HistoryUnfit."""
        with _told(self), self._made().connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection whose changes are kept together, or none of them when the block raises."""
        with _told(self), self._made().execution_options(celeriac_writes=True).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close every connection of this process."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None

    def _made(self) -> Engine:
        if self._engine is None or self._pid != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)  # the parent's connections stay the parent's
            self._engine, self._pid = self._make(), os.getpid()
        return self._engine

    def _make(self) -> Engine:
        if not self.is_sqlite:
            waits = {"connect_timeout": int(PATIENCE), "application_name": "celeriac", "keepalives_idle": 10}
            limits = f"-c statement_timeout={int(QUERY_LIMIT * 1000)} -c lock_timeout={int(PATIENCE * 1000)}"
            options = {"options": limits} if "options" not in self.url.query else {}
            return create_engine(self.url, pool_pre_ping=True, hide_parameters=True, connect_args=waits | options)
        engine = create_engine(
            self.url, hide_parameters=True, connect_args={"timeout": PATIENCE, "check_same_thread": False}
        )
        event.listen(engine, "do_connect", lambda *_: _private_file(self.url.database))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _private_file(path: str | None) -> None:
    """Let the file be there, for its owner alone.

    One that is there is not opened: closing it would drop every lock that SQLite has on it in this process, and another
    process would take away the journal under its feet (sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path or path == ":memory:" or Path(path).exists():
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    made = Path(f"{path}.{os.getpid()}-{threading.get_ident()}")
    made.touch(0o600)
    try:
        Path(path).hardlink_to(made)
    except FileExistsError:
        return  # somebody else was first
    finally:
        made.unlink()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 would begin late, and find another writer already at work
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("celeriac_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _told(database: Database) -> Iterator[None]:
    """Turn a silent, absent or strange database into an error of ours."""
    try:
        yield
    except HistoryError:
        raise
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            database.dispose()  # who moves the file away need not start anew those who have it open
            raise _damaged(database, error) from error
        if _lacks_tables(error):
            raise HistoryUnfit(
                f"The history's tables in {database} are missing or old.", "Run `flask jobs db upgrade`."
            ) from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise _unavailable(database, error) from error
        raise
    except (SQLAlchemyError, OSError) as error:
        raise _unavailable(database, error) from error


def _unavailable(database: Database, error: Exception) -> HistoryUnavailable:
    why = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return HistoryUnavailable(f"The history in {database} cannot be used: {why[0][:200]}.", "Look after the database.")


def _damaged(database: Database, error: DBAPIError) -> HistoryDamaged:
    file = database.url.database
    return HistoryDamaged(
        f"The history in {file} is damaged: {error.orig}.",
        f"Move it away with {file}-wal and {file}-shm. A new one is made at once, of the jobs that Redis has.",
    )


def _lacks_tables(error: DBAPIError) -> bool:
    text = str(error.orig)
    if isinstance(error, ProgrammingError):  # PostgreSQL: undefined table or column
        return getattr(error.orig, "sqlstate", "") in ("42P01", "42703")
    return isinstance(error, OperationalError) and ("no such table" in text or "no such column" in text)
