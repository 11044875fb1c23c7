"""Speaks SQL: the tables of the history. Times are milliseconds since the epoch.

1. A job's key `n` is its creation time shifted by 20 bits, so that one index serves order, page and time at once.
2. A job's transitions stand in its `trail`; of one with very many the later ones have rows of their own, with the
   journal's entry number in the key.
3. `history` is one row: how far the journal was copied. It changes in the transaction that stores what was copied.
4. Buckets and timings are counted in that transaction, too, for all jobs (the scope ''), for each task (`t:name`) and
   for each queue (`q:name`): a chart reads one run of the table's own key, never a million jobs.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table, Text

SHIFT = 20  # bits below the milliseconds, in the key of a job and in the number of a journal's entry

metadata = MetaData()
Big = BigInteger().with_variant(Integer, "sqlite")  # SQLite: only INTEGER is the table's own key

jobs = Table(
    "celeriac_jobs",
    metadata,
    Column("n", Big, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("due", Big),
    Column("started_at", Big),
    Column("finished_at", Big),
    Column("attempt", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("args", Text),
    Column("options", Text),
    Column("error", Text),
    Column("result", Text),
    Column("attempts", Text),
    Column("parent_id", Text, nullable=False),
    Column("root_id", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("trail", Text, nullable=False, server_default=""),
    Index("celeriac_jobs_state", "state", "n"),
    Index("celeriac_jobs_task", "task", "state", "n"),
    Index("celeriac_jobs_queue", "queue", "state", "n"),
    Index("celeriac_jobs_owner", "owner", "state", "n"),  # where owner <> '', which the steps say
)

transitions = Table(
    "celeriac_transitions",
    metadata,
    Column("n", Big, primary_key=True, autoincrement=False),
    Column("birth", Integer, primary_key=True, autoincrement=False),
    Column("entry", Big, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("at", Big, nullable=False),
    Column("attempt", Integer),
    Column("seq", Integer, nullable=False),
    Column("note", Text, nullable=False),
    sqlite_with_rowid=False,
)

history = Table(
    "celeriac_history",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("database", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("birth", Integer, nullable=False),
    Column("entry", Big, nullable=False),
    Column("holder", Text, nullable=False),
    Column("touched_at", Big, nullable=False),
)

births = Table(
    "celeriac_births",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("birth", Text, nullable=False, unique=True),
    Column("entry", Big, nullable=False),
    Column("seen_at", Big, nullable=False),
    Column("settled_at", Big),
    Column("restored", Integer, nullable=False),
)

gaps = Table(
    "celeriac_gaps",
    metadata,
    Column("birth", Integer, primary_key=True, autoincrement=False),
    Column("after_entry", Big, primary_key=True, autoincrement=False),
    Column("before_entry", Big, primary_key=True, autoincrement=False),
    Column("noticed_at", Big, nullable=False),
    Column("rebuilt_at", Big),
)

buckets = Table(
    "celeriac_buckets",
    metadata,
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("scope", Text, primary_key=True),
    Column("at", Big, primary_key=True, autoincrement=False),
    Column("state", Text, primary_key=True),
    Column("jobs", Big, nullable=False),
    sqlite_with_rowid=False,
)

timings = Table(
    "celeriac_timings",
    metadata,
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("scope", Text, primary_key=True),
    Column("at", Big, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("bin", SmallInteger, primary_key=True, autoincrement=False),
    Column("jobs", Big, nullable=False),
    Column("ms", Big, nullable=False),
    sqlite_with_rowid=False,
)
