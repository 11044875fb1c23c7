"""Speaks SQL: how far the journal was copied, and whose turn it is. One row, changed only by who knows its value."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, func, insert, literal_column, select, update

from celeriac.history.schema import births, history

SQL_CLOCK = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
}


class Superseded(Exception):
    """Another process has copied on from here: nothing was written."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last copied entry of a memory of Redis (`birth`, 0 and '' before the first), and who copied it when (ms)."""

    no: int
    birth: str
    entry: int
    holder: str
    touched_at: int
    database: str
    prefix: str
    settled: bool


def clock(connection: Connection) -> ColumnElement[int]:
    """Return the database's own clock (ms)."""
    return literal_column(SQL_CLOCK[connection.dialect.name], BigInteger)


def read(connection: Connection) -> tuple[Cursor, int]:
    """Return the cursor and the database's clock (ms)."""
    now = clock(connection)
    joined = history.outerjoin(births, births.c.no == history.c.birth)
    row = connection.execute(select(history, births.c.birth.label("name"), births.c.settled_at, now.label("clock"))
                             .select_from(joined)).one()  # fmt: skip
    cursor = Cursor(row.birth, row.name or "", row.entry, row.holder, row.touched_at, row.database, row.prefix,
                    row.settled_at is not None)  # fmt: skip
    return cursor, row.clock


def advance(connection: Connection, cursor: Cursor, entry: int, holder: str) -> None:
    """Move on from this cursor to an entry, first of all in the transaction that stores what lies between."""
    done = connection.execute(
        update(history)
        .where(history.c.birth == cursor.no, history.c.entry == cursor.entry)
        .values(entry=entry, holder=holder, touched_at=clock(connection))
    )
    if done.rowcount != 1:
        raise Superseded


def turn_to(connection: Connection, cursor: Cursor, birth: str, holder: str) -> None:
    """Go over to another memory of Redis, where it was left when it is known, else at its beginning."""
    connection.execute(update(births).where(births.c.no == cursor.no).values(entry=cursor.entry))
    known = connection.execute(select(births).where(births.c.birth == birth)).one_or_none()
    now = clock(connection)
    if known is None:
        no, entry = connection.execute(select(func.coalesce(func.max(births.c.no), 0) + 1)).scalar_one(), 0
        settled = now if no == 1 else None  # before the first there was nothing to lose
        row = {"no": no, "birth": birth, "entry": 0, "seen_at": now, "restored": 0, "settled_at": settled}
        connection.execute(insert(births).values(row))
    else:
        no, entry = known.no, known.entry
        connection.execute(update(births).where(births.c.no == no).values(settled_at=None))
    done = connection.execute(
        update(history)
        .where(history.c.birth == cursor.no, history.c.entry == cursor.entry)
        .values(birth=no, entry=entry, holder=holder, touched_at=now)
    )
    if done.rowcount != 1:
        raise Superseded


def settle(connection: Connection, no: int, restored: int) -> None:
    """Note that what an earlier memory of Redis has lost is queued again."""
    now = clock(connection)
    connection.execute(
        update(births).where(births.c.no == no).values(settled_at=now, restored=births.c.restored + restored)
    )
