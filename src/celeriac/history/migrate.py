"""Speaks Alembic: brings the tables up to date, one process at a time, in one transaction.

Alembic is imported where tables are made or changed: it and what it brings would be a tenth of a worker's memory.
"""

from __future__ import annotations

import pkgutil
import secrets

from sqlalchemy import Connection, insert, inspect, select, text

from celeriac.errors import HistoryUnfit
from celeriac.history.database import Database
from celeriac.history.migrations import versions
from celeriac.history.schema import history

LOCK = 0x63656C65726961  # "celeria": PostgreSQL's advisory lock of ours


def newest() -> str:
    """Return the version that this release needs: the number in the name of the newest step's file."""
    return max(step.name[1:5] for step in pkgutil.iter_modules(versions.__path__))


def present(database: Database) -> str | None:
    """Return the version of the tables, None without any. Raises HistoryUnavailable."""
    with database.read() as connection:
        return _version(connection)


def upgrade(database: Database, prefix: str = "") -> tuple[str | None, str]:
    """Bring the tables up to date; return (version before, version now). Of two at once the second finds it done."""
    with database.write() as connection:
        if not database.is_sqlite:  # SQLite's transaction is its lock already
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        before = _version(connection)
        if before != newest():
            climb(connection, "head")
        _introduce(connection, prefix)
        return before, newest()


def climb(connection: Connection, version: str) -> None:
    """Take the steps up to a version, in the transaction of this connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "celeriac.history:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def require(database: Database, prefix: str) -> None:
    """Make the tables in an empty database, bring those in a file of ours up to date; else raise HistoryUnfit where
    they are of another version."""
    version = present(database)
    if version is None or (database.is_sqlite and version < newest()):
        upgrade(database, prefix)
    elif version != newest():
        raise HistoryUnfit(
            f"The history's tables in {database} have version {version}, this release needs {newest()}.",
            "Run `flask jobs db upgrade`." if version < newest() else "Install the newer release again.",
        )


def _introduce(connection: Connection, prefix: str) -> None:
    """Make the one row that says how far the journal was copied."""
    if connection.execute(select(history.c.id)).first() is None:
        name = secrets.token_hex(8)
        row = {"id": 1, "database": name, "prefix": prefix, "birth": 0, "entry": 0, "holder": "", "touched_at": 0}
        connection.execute(insert(history).values(row))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("celeriac_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM celeriac_version")).scalar()
    return version
