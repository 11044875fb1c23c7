"""Speaks SQL in the words of each driver: many rows in one statement, at the least cost for the process that copies.

SQLite takes some hundred rows at once: for each statement Python gives its lock away, and waits to get it back from the
jobs that run beside. PostgreSQL takes whole columns as arrays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger, Table

Rows = Sequence[tuple[Any, ...]]  # values in the order of the columns

PARAMETERS = 4000  # of one statement of SQLite, which takes 32,766
FEW = (64, 8, 1)  # rows of the statements for what is left
SEARCHED = {
    "sqlite": "INSERT OR REPLACE INTO celeriac_words (rowid, words) VALUES {}",
    "postgresql": "INSERT INTO celeriac_words (n, words) SELECT n, array_to_tsvector(string_to_array(words, ' ')) "
    "FROM unnest(%s::bigint[], %s::text[]) AS given (n, words) ON CONFLICT (n) DO UPDATE SET words = excluded.words",
}
FORGOTTEN = {
    "sqlite": "DELETE FROM celeriac_words WHERE rowid = ?",
    "postgresql": "DELETE FROM celeriac_words WHERE n = ANY(%s::bigint[])",
}


def ask(connection: Connection, statement: str, values: Sequence[int] | Sequence[str]) -> Sequence[Any]:
    """Return the rows that a question finds for these values: they stand for `{}` as the table `given (value)`."""
    if not values:
        return ()
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql(statement.format("json_each(?) AS given"), (json.dumps(values),)).fetchall()
    kind = "bigint" if isinstance(values[0], int) else "text"
    return connection.exec_driver_sql(statement.format(f"unnest(%s::{kind}[]) AS given (value)"), (values,)).fetchall()


def insert(connection: Connection, table: Table, rows: Rows) -> None:
    """Add rows; those whose key is there already change nothing."""
    _insert(connection, table, rows, "ON CONFLICT DO NOTHING")


def add(connection: Connection, table: Table, rows: Rows, sums: Sequence[str]) -> None:
    """Add rows; where the key is there already, the sums are added to what stands."""
    keys = ", ".join(column.name for column in table.primary_key)
    more = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in sums)
    _insert(connection, table, rows, f"ON CONFLICT ({keys}) DO UPDATE SET {more}")


def put(connection: Connection, table: Table, rows: Rows, lasting: Sequence[str], growing: Sequence[str]) -> None:
    """Add rows with the key `n`, or change those that are there: a NULL leaves the `lasting` columns as they are, and
    the `growing` ones keep what they have before what is given."""
    old, new = table.name, "excluded"
    changes = ", ".join(
        f"{name} = coalesce({new}.{name}, {old}.{name})" if name in lasting else _set(table, name, name, new, growing)
        for name in [column.name for column in table.c]
        if name not in ("n", "id")
    )
    _insert(connection, table, rows, f"ON CONFLICT (n) DO UPDATE SET {changes}")


def update(connection: Connection, table: Table, rows: Rows, names: Sequence[str], growing: Sequence[str]) -> None:
    """Change columns of the rows whose key `n` is the first of the `names`; the `growing` ones keep what they have."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        sets = ", ".join(_set(table, name, f"column{i}", "given", growing) for i, name in enumerate(names[1:], 2))
        head = f"UPDATE {table.name} SET {sets} FROM (VALUES {{}}) AS given WHERE {table.name}.n = given.column1"
        _in_chunks(connection, head, rows)
        return
    sets = ", ".join(_set(table, name, name, "given", growing) for name in names[1:])
    arrays = ", ".join(f"%s::{_kind(table.c[name])}[]" for name in names)
    connection.exec_driver_sql(
        f"UPDATE {table.name} SET {sets} FROM unnest({arrays}) AS given ({', '.join(names)}) "
        f"WHERE {table.name}.n = given.n",
        _columns(rows),
    )


def search_words(connection: Connection, rows: Rows) -> None:
    """Let jobs be found by these words (separated by spaces), and by no others."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        _in_chunks(connection, SEARCHED["sqlite"], rows)
    else:
        connection.exec_driver_sql(SEARCHED["postgresql"], _columns(rows))


def forget(connection: Connection, tables: Sequence[Table], keys: Sequence[int]) -> None:
    """Remove jobs from these tables and from the search."""
    sqlite = connection.dialect.name == "sqlite"
    given: Any = [(n,) for n in keys] if sqlite else (list(keys),)
    for table in tables:
        which = "n = ?" if sqlite else "n = ANY(%s::bigint[])"
        connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {which}", given)
    connection.exec_driver_sql(FORGOTTEN[connection.dialect.name], given)


def _insert(connection: Connection, table: Table, rows: Rows, otherwise: str) -> None:
    if not rows:
        return
    names = [column.name for column in table.c]
    head = f"INSERT INTO {table.name} ({', '.join(names)})"
    if connection.dialect.name == "sqlite":
        _in_chunks(connection, f"{head} VALUES {{}} {otherwise}", rows)
        return
    arrays = ", ".join(f"%s::{_kind(column)}[]" for column in table.c)
    connection.exec_driver_sql(f"{head} SELECT * FROM unnest({arrays}) {otherwise}", _columns(rows))


def _set(table: Table, name: str, given: str, source: str, growing: Sequence[str]) -> str:
    """Return the change of a column to what is given."""
    return f"{name} = {table.name}.{name} || {source}.{given}" if name in growing else f"{name} = {source}.{given}"


def _columns(rows: Rows) -> tuple[list[Any], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


def _in_chunks(connection: Connection, statement: str, rows: Rows) -> None:
    """Run SQLite's statement with as many rows at once as it takes."""
    place, at = f"({', '.join('?' * len(rows[0]))})", 0
    for size in (PARAMETERS // len(rows[0]), *FEW):
        text = statement.format(", ".join([place] * size)) if len(rows) - at >= size else ""
        while len(rows) - at >= size:
            connection.exec_driver_sql(text, tuple(chain.from_iterable(rows[at : at + size])))
            at += size


def _kind(column: Column[Any]) -> str:
    if isinstance(column.type, SmallInteger):
        return "smallint"
    if isinstance(column.type, BigInteger):
        return "bigint"
    return "integer" if isinstance(column.type, Integer) else "text"
