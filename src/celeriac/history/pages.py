"""Speaks SQL: lists and finds jobs. A page is found by one index each time, and looks at a bounded number of jobs.

The newest come first. A page ends with the key of its last job, so that jobs which arrive meanwhile shift nothing.
Where several conditions hold at once, each has its index: the one that gets farthest brings the keys, and the rest is
checked on what it brings. After a while the page ends early, and its token goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, null, select, union_all

from celeriac.history.database import Database
from celeriac.history.filters import BEYOND, Filter, found_words, page_token, read_token, word_key
from celeriac.history.schema import SHIFT, jobs
from celeriac.history.words import asked_words, has_words, words_of
from celeriac.job import State
from celeriac.queue.message import SCHEDULE_HEADER
from celeriac.store.record import Record, from_fields

SCAN = 400  # keys looked at in one go where an index alone does not decide
FIRST = 100  # keys of the first look, where several indexes may decide
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
    if row is None:
        return None
    job = record_of(row)
    return job if row.result is not None else replace(job, extra={**job.extra, "unkept": "1"})


def last_scheduled(database: Database, task: str, name: str) -> tuple[str, datetime] | None:
    """Return id and time (UTC) of the last job that beat submitted for a schedule, if it is among the newest of its
    task that are looked at."""
    said = json.dumps({SCHEDULE_HEADER: name}, separators=(",", ":"))[1:-1]
    filter = Filter(task=task)
    with database.read() as connection:
        keys = _keys(connection, filter, _drives(filter)[0], 0, BEYOND, SCAN).subquery()
        asked = select(jobs.c.id, jobs.c.n).join(keys, jobs.c.n == keys.c.n)
        fits = jobs.c.options.contains(said, autoescape=True)
        row = connection.execute(asked.where(fits).order_by(jobs.c.n.desc()).limit(1)).one_or_none()
    return row and (row.id, datetime.fromtimestamp((row.n >> SHIFT) / 1000, UTC))


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
    until = time.monotonic() + BUDGET
    best, drives = None, _drives(filter)
    for drive in drives:
        look = _look(connection, filter, drive, low, place, size, max(FIRST if len(drives) > 1 else SCAN, 2 * size))
        if best is None or look.place < best.place:
            best, chosen = look, drive
        if len(best.rows) > size:
            break
    assert best is not None
    rows, reached, looked = best.rows, best.place, best.looked
    while reached > low and len(rows) <= size and time.monotonic() < until:
        missing = size + 1 - len(rows)
        scan = min(SCAN, 2 * missing * looked // len(rows) + 1) if rows else SCAN
        more = _look(connection, filter, chosen, low, reached, size, scan)
        rows, reached, looked = rows + more.rows, more.place, looked + more.looked
    if len(rows) > size:
        return rows[:size], rows[size - 1].n
    return rows, reached if reached > low else None


@dataclass(frozen=True, slots=True)
class _Drive:
    """An index that brings keys: of the words, of a place, of the states, or all; `rest` is checked on the rows."""

    words: bool
    place: ColumnElement[bool] | None
    rest: tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """The rows that fit among so many keys down to `place`: the lowest one of the filter where there are no more."""

    rows: list[Row[Any]]
    place: int
    looked: int


def _drives(filter: Filter) -> list[_Drive]:
    """Return every index that may bring the keys. Which of them brings the fewest in vain, nobody knows beforehand:
    each has a look, and the one that got farthest goes on."""
    places = filter.places()
    found = [_Drive(False, place, tuple(p for p in places if p is not place)) for place in places]
    if filter.states and not places:
        found = [_Drive(False, None, ())]
    if filter.text:
        found.append(_Drive(True, None, (*places, *filter.in_states())))
    return found or [_Drive(False, None, ())]


def _look(connection: Connection, filter: Filter, drive: _Drive, low: int, place: int, size: int, scan: int) -> _Look:
    """Look at the next keys below a place."""
    is_read = bool(filter.text) and not drive.words
    limit = scan if drive.rest or is_read else size + 1
    keys = _keys(connection, filter, drive, low, place, limit).subquery()
    joined = keys.outerjoin(jobs, and_(jobs.c.n == keys.c.n, *drive.rest))
    read = [jobs.c.args.label("whole")] if is_read else []
    asked = select(keys.c.n.label("place"), *LISTED, *read).select_from(joined).order_by(keys.c.n.desc())
    looked = connection.execute(asked).all()
    rows = [row for row in looked if row.id is not None]
    if is_read:
        question = asked_words(filter.text or "")
        rows = [row for row in rows if has_words(words_of(row.whole or "", row.error or ""), question)]
    return _Look(rows, looked[-1].place if len(looked) == limit else low, len(looked))


def _keys(connection: Connection, filter: Filter, drive: _Drive, low: int, beyond: int, limit: int) -> Select[int]:
    """Return the question for the next keys (`n`) that an index brings, the highest first."""
    dialect = connection.dialect.name
    if drive.words:
        n = word_key(dialect)
        return found_words(filter.text or "", dialect).where(n >= low, n < beyond).order_by(n.desc()).limit(limit)
    n, inside = jobs.c.n, (jobs.c.n >= low, jobs.c.n < beyond)
    if drive.place is None and not filter.states:
        return select(n).where(*inside).order_by(n.desc()).limit(limit)
    place = () if drive.place is None else (drive.place,)
    runs = [
        select(n).where(*place, jobs.c.state == str(state), *inside).order_by(n.desc()).limit(limit).subquery()
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
