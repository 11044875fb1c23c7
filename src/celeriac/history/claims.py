"""Speaks SQL and the journal: whether this database keeps the history of this Redis, and of no other one.

Whoever starts the app at home with the production's DATABASE_URL must not get the production's jobs; and of two
worker machines with a file each, one alone may copy.
"""

from __future__ import annotations

from typing import Any

from celeriac.errors import HistoryError
from celeriac.history import cursor as cursors
from celeriac.history.cursor import Cursor
from celeriac.history.database import Database
from celeriac.store import journal
from celeriac.store.moves import Space

FOREIGN = 15.0  # seconds of silence after which another Redis, or another database, is taken for gone


class NotOurs(HistoryError):
    """This database keeps the history of another Redis, or this Redis has its history in another database."""

    title = "Another history"


def claim(database: Database, client: Any, space: Space, token: str) -> Cursor:
    """Return the cursor, for who copies under this token. Raises NotOurs when it belongs to others who are alive."""
    with database.read() as connection:
        cursor, now = cursors.read(connection)
    if cursor.prefix != space.prefix:
        raise NotOurs(
            f"{database} keeps the history of the key prefix {cursor.prefix!r}.",
            "Give each app a database of its own: DATABASE_URL.",
        )
    silent = now - cursor.touched_at >= FOREIGN * 1000
    birth = journal.look(client, space, 0, 1).birth
    if cursor.birth and birth != cursor.birth and cursor.holder != token and not silent:
        raise NotOurs(
            f"{database} keeps the history of another Redis, or of this one before it was emptied.",
            f"In the second case wait {FOREIGN:.0f} s; in the first, set another DATABASE_URL.",
        )
    said = journal.noted(client, space)
    elsewhere = said.get("database", cursor.database) != cursor.database
    if elsewhere and int(said["now"]) - int(said.get("at", 0)) < FOREIGN * 1000:
        raise NotOurs(
            "The history of this Redis is kept in another database.", "Set one DATABASE_URL for all processes."
        )
    return cursor
