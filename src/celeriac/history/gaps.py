"""Speaks SQL: what the journal had lost before it was copied is read from the records that Redis still has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text, update

from celeriac.history.copying import store_records
from celeriac.history.cursor import clock
from celeriac.history.database import Database
from celeriac.history.fitting import store_fitting
from celeriac.history.rows import RESULT_LIMIT
from celeriac.history.schema import SHIFT, gaps
from celeriac.store import journal
from celeriac.store.moves import Space

NOTED = (  # in the words that both kinds of database know
    "INSERT INTO celeriac_gaps (birth, after_entry, before_entry, noticed_at) VALUES (:birth, :after, :before, {now}) "
    "ON CONFLICT (birth, after_entry, before_entry) DO UPDATE SET noticed_at = excluded.noticed_at, rebuilt_at = NULL"
)


def after(number: int) -> int:
    """Return the first number of the millisecond after an entry: what it told was done before."""
    return ((number >> SHIFT) + 1) << SHIFT


def why(unread: Sequence[int]) -> str:
    """Return what to say of the entries that could not be read."""
    more = f" and {len(unread) - 5} more" if len(unread) > 5 else ""
    return f": {', '.join(map(journal.stream_id, unread[:5]))}{more} cannot be read" if unread else ""


def note(connection: Connection, birth: int, after: int, before: int) -> None:
    """Note that what happened between two entries is missing."""
    statement = text(NOTED.format(now=clock(connection)))
    connection.execute(statement, {"birth": birth, "after": after, "before": before})


@dataclass(slots=True)
class Rebuild:
    """One pass over all records; `until` (ms) is when the journal is whole again. A crash starts it anew."""

    birth: int
    until: int
    done: bool
    _place: int = 0
    _mended: bool = False

    @classmethod
    def find(cls, database: Database, birth: int) -> Rebuild:
        """Return what there is to do for this memory of Redis: nothing (`done`) without an open gap."""
        with database.read() as connection:
            open_gaps = select(gaps.c.before_entry).where(gaps.c.birth == birth, gaps.c.rebuilt_at.is_(None))
            before = connection.execute(open_gaps).scalars().all()
        return cls(birth, max(before, default=0) >> SHIFT, done=not before)

    def step(self, database: Database, client: Any, space: Space) -> None:
        """Read some records and store them; with the last of them the gaps are closed."""
        self._place, ids = journal.scan(client, space, self._place)
        found = journal.details(client, space, ids, RESULT_LIMIT) if ids else {}
        with database.write() as connection:

            def store(ids: Sequence[str]) -> list[str]:
                store_records(connection, {id: found[id] for id in ids}, self.until)
                return []

            store_fitting(connection, list(found), store, str)
            if self._place == 0:
                now = clock(connection)
                closed = (
                    gaps.c.birth == self.birth,
                    gaps.c.rebuilt_at.is_(None),
                    gaps.c.before_entry < (self.until + 1) << SHIFT,
                )
                connection.execute(update(gaps).where(*closed).values(rebuilt_at=now))
        if self._place == 0:
            self.done = self._mended = True

    def pop_mended(self) -> bool:
        """Return once whether a pass has come to its end."""
        mended, self._mended = self._mended, False
        return mended


def list_gaps(database: Database) -> Sequence[dict[str, int | None]]:
    """Return every gap that was noted: when it began and ended, was noticed and was completed (ms)."""
    with database.read() as connection:
        rows = connection.execute(select(gaps).order_by(gaps.c.noticed_at.desc()).limit(100)).all()
    return [
        {"after": row.after_entry >> SHIFT, "before": row.before_entry >> SHIFT, "noticed_at": row.noticed_at,
         "rebuilt_at": row.rebuilt_at}
        for row in rows
    ]  # fmt: skip
