"""Speaks SQL: lists and finds jobs. A page is found by one index each time, and looks at a bounded number of jobs.

The newest come first. A page ends with the key of its last job, so that jobs which arrive meanwhile shift nothing.
Where several conditions hold at once, one index drives and the rest is checked on what it brings: after a while the
page ends early, and its token goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, null, select, union_all

from celeriac.history.database import Database
from celeriac.history.filters import Filter, found_words, page_token, read_token, word_key
from celeriac.history.schema import SHIFT, jobs, transitions
from celeriac.job import State
from celeriac.store.record import Record, from_fields

SCAN = 400  # keys looked at in one go where an index alone does not decide
BUDGET = 0.02  # seconds after which such a page ends early
MOST = 500  # jobs of a page
LONGEST = 4096  # characters of the arguments that a list shows

#: What a list reads of each job: neither its result, nor arguments of any size.
LISTED = [
    *(column for column in jobs.c if column.name not in ("args", "options", "result")),
    case((func.length(jobs.c.args) <= LONGEST, jobs.c.args)).label("args"),
    null().label("result"),
]


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, the newest first, without results; `next_token` is '' after the last of them. A page may be short,
    even empty, and still have a next one."""

    items: list[Record]
    next_token: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that happened to a job."""

    at: datetime
    state: str
    attempt: int | None
    note: str


def list_jobs(database: Database, filter: Filter, size: int = 50, token: str = "") -> Page:
    """Return a page. Raises BadRequest for a filter or token that makes no sense, HistoryUnavailable."""
    filter.check()
    size = max(1, min(size, MOST))
    before = read_token(filter, token)
    with database.read() as connection:
        rows, place = find_rows(connection, filter, before, size)
    return Page([record_of(row) for row in rows], page_token(filter, place) if place else "")


def find_job(database: Database, id: str) -> Record | None:
    """Return a job as the history knows it, None when it does not."""
    with database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == id)).one_or_none()
    return record_of(row) if row is not None else None


def timeline(database: Database, id: str) -> list[Transition]:
    """Return everything that happened to a job, the oldest first."""
    joined = transitions.join(jobs, jobs.c.n == transitions.c.n)
    asked = select(transitions).select_from(joined).where(jobs.c.id == id)
    with database.read() as connection:
        rows = connection.execute(asked.order_by(transitions.c.birth, transitions.c.entry)).all()
    return [Transition(datetime.fromtimestamp(row.at / 1000, UTC), row.state, row.attempt, row.note) for row in rows]


def count_jobs(database: Database, filter: Filter) -> int:
    """Return how many jobs fit. This looks at all of them."""
    filter.check()
    low, beyond = filter.keys()
    where = [jobs.c.n >= low, jobs.c.n < beyond, *filter.places(), *filter.in_states()]
    with database.read() as connection:
        if filter.text:
            where.append(jobs.c.n.in_(found_words(filter.text, connection.dialect.name)))
        return int(connection.execute(select(func.count()).select_from(jobs).where(*where)).scalar_one())


def ids(database: Database, filter: Filter, most: int | None = None) -> Iterator[str]:
    """Yield the ids of all jobs that fit now, the newest first, whatever is done to them meanwhile."""
    filter.check()
    place: int | None = int(time.time() * 1000 + 1) << SHIFT
    yielded = 0
    while place is not None and (most is None or yielded < most):
        with database.read() as connection:
            rows, place = find_rows(connection, filter, place, MOST)
        for row in rows[: None if most is None else most - yielded]:
            yield row.id
            yielded += 1


def find_rows(
    connection: Connection, filter: Filter, before: int | None, size: int
) -> tuple[list[Row[Any]], int | None]:
    """Return up to `size` rows below a key, and where the next page begins (None after the last)."""
    low, beyond = filter.keys()
    place = beyond if before is None else min(before, beyond)
    rest = _rest(filter)
    limit = max(SCAN, 2 * size) if rest else size + 1
    until = time.monotonic() + BUDGET
    rows: list[Row[Any]] = []
    while True:
        keys = _keys(connection, filter, low, place, limit).subquery()
        joined = keys.outerjoin(jobs, and_(jobs.c.n == keys.c.n, *rest))
        asked = select(keys.c.n.label("place"), *LISTED).select_from(joined).order_by(keys.c.n.desc())
        looked = connection.execute(asked).all()
        rows += [row for row in looked if row.id is not None]
        if len(rows) > size:
            return rows[:size], rows[size - 1].n
        if len(looked) < limit:
            return rows, None
        place = looked[-1].place
        if time.monotonic() > until:
            return rows, place


def _rest(filter: Filter) -> list[ColumnElement[bool]]:
    """Return the conditions that the driving index does not decide."""
    return [*filter.places(), *filter.in_states()] if filter.text else filter.places()[1:]


def _keys(connection: Connection, filter: Filter, low: int, beyond: int, limit: int) -> Select[int]:
    """Return the question for the next keys (`n`) that the driving index brings, the highest first."""
    dialect = connection.dialect.name
    if filter.text:
        n = word_key(dialect)
        return found_words(filter.text, dialect).where(n >= low, n < beyond).order_by(n.desc()).limit(limit)
    drive, n = filter.places()[:1], jobs.c.n
    inside = (n >= low, n < beyond)
    if not drive and not filter.states:
        return select(n).where(*inside).order_by(n.desc()).limit(limit)
    runs = [
        select(n).where(*drive, jobs.c.state == str(state), *inside).order_by(n.desc()).limit(limit).subquery()
        for state in filter.states or State
    ]
    together = union_all(*(select(run.c.n) for run in runs)).subquery()
    return select(together.c.n).order_by(together.c.n.desc()).limit(limit)


def record_of(row: Row[Any]) -> Record:
    """Return the job of a row."""
    named = {"group": row.group_id, "created_at": row.n >> SHIFT, "tag": "1"}
    same = ("state", "task", "queue", "owner", "worker", "reason", "due", "started_at", "finished_at", "attempt",
            "retries", "losses", "seq", "args", "error", "attempts", "parent_id", "root_id")  # fmt: skip
    fields = {**named, **{name: getattr(row, name) for name in same}}
    record = from_fields(row.id, {name: str(value) for name, value in fields.items() if value not in (None, "")},
                         row.result)  # fmt: skip
    if record is None:
        raise ValueError(f"Job {row.id} has the unknown state {row.state!r}.")
    return record
