"""Speaks SQL in the words of each driver: many rows in one statement, at the least cost for the process that copies.

SQLite runs a statement once for each row, which costs it nothing; PostgreSQL takes whole columns as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger, Table

Rows = Sequence[Mapping[str, Any]]

SEARCHED = {
    "sqlite": "INSERT OR REPLACE INTO celeriac_words (rowid, words) VALUES (?, ?)",
    "postgresql": "INSERT INTO celeriac_words (n, words) SELECT n, array_to_tsvector(string_to_array(words, ' ')) "
    "FROM unnest(%s::bigint[], %s::text[]) AS given (n, words) ON CONFLICT (n) DO UPDATE SET words = excluded.words",
}
FORGOTTEN = {
    "sqlite": "DELETE FROM celeriac_words WHERE rowid = ?",
    "postgresql": "DELETE FROM celeriac_words WHERE n = ANY(%s::bigint[])",
}


def insert(connection: Connection, table: Table, rows: Rows) -> None:
    """Add rows; those whose key is there already change nothing."""
    _insert(connection, table, rows, "ON CONFLICT DO NOTHING")


def add(connection: Connection, table: Table, rows: Rows, sums: Sequence[str]) -> None:
    """Add rows; where the key is there already, the sums are added to what stands."""
    keys = ", ".join(column.name for column in table.primary_key)
    more = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in sums)
    _insert(connection, table, rows, f"ON CONFLICT ({keys}) DO UPDATE SET {more}")


def update(connection: Connection, table: Table, rows: Rows, names: Sequence[str], lasting: Sequence[str] = ()) -> None:
    """Change the columns `names` of the rows with the keys `key`; a NULL leaves the `lasting` ones as they are."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        sets = ", ".join(f"{n} = coalesce(?, {n})" if n in lasting else f"{n} = ?" for n in names)
        values = [(*(row[name] for name in names), row["key"]) for row in rows]
        connection.exec_driver_sql(f"UPDATE {table.name} SET {sets} WHERE n = ?", values)
        return
    old = table.name
    sets = ", ".join(f"{n} = coalesce(v.{n}, {old}.{n})" if n in lasting else f"{n} = v.{n}" for n in names)
    arrays = ", ".join(["%s::bigint[]", *(f"%s::{_kind(table.c[name])}[]" for name in names)])
    given = ", ".join(("key", *names))
    connection.exec_driver_sql(
        f"UPDATE {old} SET {sets} FROM unnest({arrays}) AS v ({given}) WHERE {old}.n = v.key",
        tuple([row[name] for row in rows] for name in ("key", *names)),
    )


def search_words(connection: Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Let jobs be found by these words (separated by spaces), and by no others."""
    if rows:
        sqlite = connection.dialect.name == "sqlite"
        columns = tuple(map(list, zip(*rows, strict=True)))
        connection.exec_driver_sql(SEARCHED[connection.dialect.name], list(rows) if sqlite else columns)


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
        places = ", ".join("?" * len(names))
        values = [tuple(row[name] for name in names) for row in rows]
        connection.exec_driver_sql(f"{head} VALUES ({places}) {otherwise}", values)
        return
    arrays = ", ".join(f"%s::{_kind(column)}[]" for column in table.c)
    columns = tuple([row[name] for row in rows] for name in names)
    connection.exec_driver_sql(f"{head} SELECT * FROM unnest({arrays}) {otherwise}", columns)


def _kind(column: Column[Any]) -> str:
    if isinstance(column.type, SmallInteger):
        return "smallint"
    if isinstance(column.type, BigInteger):
        return "bigint"
    return "integer" if isinstance(column.type, Integer) else "text"
