"""Speaks SQL: stores what happened, in the transaction that also moves the cursor: each transition once.

1. A batch of the journal's entries comes grouped by job.
2. `store` reads of each job's record what neither its row nor its entries tell.
3. It writes rows with their transitions, words and counts; a job that was deleted goes from all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from celeriac.history import bulk, counting
from celeriac.history.counting import NO_TIMES, SUBMITTED, Counts
from celeriac.history.grouping import Job, Known
from celeriac.history.rows import (
    Moved,
    Row,
    Told,
    cleaned,
    created_at,
    is_known,
    is_steady,
    row_moved,
    row_of,
    row_told,
    row_without_record,
    times_of,
    told_of,
    trail_of,
)
from celeriac.history.schema import SHIFT, jobs, transitions
from celeriac.history.waiting import Waiting
from celeriac.history.words import words_of
from celeriac.job import TERMINAL
from celeriac.store.journal import Detail

AGAIN = ("retried", "requeued")  # the arguments may be others now
LASTING = ("args", "options")  # kept when a later look does not know them any more
GROWING = ("trail",)  # what is new comes after what is there
TRAIL = 4000  # characters of a row's trail: the transitions after that have rows of their own

#: Reads records of these jobs: with True what a start and a success leave as it is, with False everything.
Read = Callable[[Sequence[str], bool], Mapping[str, Detail]]


class Closed(NamedTuple):
    """All that an entry tells without a record."""

    n: int
    state: str
    seq: int
    finished_at: int | None
    trail: str


@dataclass(slots=True)
class Writes:
    """The rows of one batch, table by table; `trails` are (key, transitions) of rows that change in nothing else,
    `waiting` those of new jobs that have not ended."""

    rows: list[Row] = field(default_factory=list)
    waiting: list[Row] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    trails: list[tuple[int, str]] = field(default_factory=list)
    transitions: list[tuple[int, int, int, str, int, int | None, int, str]] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def store(
    connection: Connection, birth: int, batch: Mapping[str, Job], read: Read, waiting: Waiting
) -> tuple[list[str], list[Row]]:
    """Write a batch of entries with the records as they are now.

    Returns the jobs whose message was needed for that, and the new rows to keep as `waiting` once this is committed.
    """
    known = waiting.take(batch)
    known |= known_jobs(connection, [id for id in batch if id not in known])
    writes = Writes(gone=[known.pop(job.id).n for job in batch.values() if job.deleted and job.id in known])
    present = [job for job in batch.values() if job.entries]
    details = _details(present, known, read)
    fresh = {job.id: created_at(details[job.id], job.entries[0].at) for job in present if job.id not in known}
    keys = _new_keys(connection, fresh)
    for job in present:
        _add_job(writes, birth, job, details.get(job.id), known.get(job.id), keys)
    write(connection, writes)
    return [id for id, detail in details.items() if detail.message], writes.waiting


def _details(present: Sequence[Job], known: Mapping[str, Known], read: Read) -> dict[str, Detail]:
    """Return what the entries tell of new jobs, and read what neither they nor the rows tell."""
    found: dict[str, Detail] = {}
    told: list[str] = []
    untold: list[str] = []
    for job in present:
        if job.id in known:
            if not job.is_told(known[job.id]):
                untold.append(job.id)
            continue
        submission = job.submission()
        if submission:
            found[job.id] = submission
        elif job.has_passed():
            told.append(job.id)
        else:
            untold.append(job.id)
    found.update(cleaned(read(told, True)))
    found.update(cleaned(read(untold, False)))
    return found


def store_records(connection: Connection, details: Mapping[str, Detail], until: int) -> None:
    """Write records as they are, where the entries before `until` (ms) are missing: later ones are still to come, and
    tell and count what they tell."""
    alive = {id: detail for id, detail in cleaned(details).items() if is_known(detail)}
    known = known_jobs(connection, alive)
    missing = {id: created_at(detail, until) for id, detail in alive.items() if id not in known}
    keys = _new_keys(connection, {id: created for id, created in missing.items() if created <= until})
    writes = Writes()
    for id in (*keys, *known):
        before = known.get(id)
        row = row_of(keys[id] if before is None else before.n, id, alive[id])
        created = row.n >> SHIFT
        _add_row(writes, row, new=before is None)
        if before is None:
            writes.counts.add(created, row.task, row.queue, SUBMITTED)
        if row.state in TERMINAL and (before is None or before.state not in TERMINAL):
            ended = row.finished_at or created
            if ended < until:
                times = times_of(created, row.due, row.started_at, row.finished_at)
                writes.counts.add(ended, row.task, row.queue, row.state, times)
    write(connection, writes)


def _add_job(
    writes: Writes, birth: int, job: Job, detail: Detail | None, before: Known | None, keys: Mapping[str, int]
) -> None:
    """Add what a batch says of one job."""
    if before is None:
        assert detail is not None
        n = keys[job.id]
        row = _add_new(writes, n, job, detail, _trail(writes, birth, n, job, 0))
        _count(writes.counts, n >> SHIFT, job, row, (row.state, row.started_at, row.finished_at), new=True)
    else:
        n = before.n
        shown, ended = _change(writes, before, job, detail, _trail(writes, birth, n, job, before.trail))
        _count(writes.counts, n >> SHIFT, job, shown, ended, new=False)


def _add_new(writes: Writes, n: int, job: Job, detail: Detail, trail: str) -> Row:
    last = job.entries[-1]
    if not is_known(detail):
        row = row_without_record(n, job.id, last, trail)
    elif is_steady(detail):
        row = row_told(n, job.id, detail, last, told_of(last) if job.has_passed() else Told(), trail)
    else:
        row = row_of(n, job.id, detail, trail)
    _add_row(writes, row, new=True)
    if row.state not in TERMINAL:
        writes.waiting.append(row)
    return row


def _change(
    writes: Writes, before: Known, job: Job, detail: Detail | None, trail: str
) -> tuple[Row | Known, tuple[str, int | None, int | None]]:
    """Change a job's row, by its record or, where none was read (or is left), by its last entry.

    Returns what it was submitted as, and its state, start and end now.
    """
    last, n = job.entries[-1], before.n
    if detail is not None and is_known(detail):
        row = row_of(n, job.id, detail, trail)
        _add_row(writes, row, new=False)
        return row, (row.state, row.started_at, row.finished_at)
    if detail is not None:
        finished = last.at if last.state in TERMINAL else None
        writes.closed.append(Closed(n, last.state, last.seq, finished, trail))
        return before, (last.state, before.started_at, finished)
    if last.seq <= before.seq:
        writes.trails.append((n, trail))
        return before, (before.state, before.started_at, before.finished_at)
    told = told_of(last)
    writes.moved.append(row_moved(n, last, told, trail))
    return before, (last.state, told.started_at, told.finished_at)


def _add_row(writes: Writes, row: Row, new: bool) -> None:
    writes.rows.append(row)
    if row.args is not None and (new or row.error or row.reason in AGAIN):
        words = words_of(row.args, row.error or "")
        if words:
            writes.words.append((row.n, words))


def _trail(writes: Writes, birth: int, n: int, job: Job, length: int) -> str:
    """Return what the trail of the row gets; where that is long, the transitions get rows of their own."""
    trail = trail_of(birth, job.entries)
    if length + len(trail) <= TRAIL:
        return trail
    writes.transitions += [(n, birth, e.number, e.state, e.at, e.attempt, e.seq, e.note) for e in job.entries]
    return ""


def _count(
    counts: Counts, created: int, job: Job, shown: Row | Known, now: tuple[str, int | None, int | None], new: bool
) -> None:
    """Count a job that is new, and each end of it; the last by its times, if it is in that state (start, end) `now`."""
    task, queue = shown.task, shown.queue
    if new:
        counts.add(created, task, queue, SUBMITTED)
    for entry in job.entries:
        if entry.state in TERMINAL:
            state, started, finished = now
            is_last = entry is job.entries[-1] and state == entry.state
            times = times_of(created, shown.due, started, finished) if is_last else NO_TIMES
            counts.add(entry.at, task, queue, entry.state, times)


def write(connection: Connection, writes: Writes) -> None:
    """Write everything, table by table."""
    if writes.gone:
        forget(connection, writes.gone)
    bulk.put(connection, jobs, writes.rows, LASTING, GROWING)
    bulk.update(connection, jobs, writes.moved, Moved._fields, GROWING)
    bulk.update(connection, jobs, writes.closed, Closed._fields, GROWING)
    bulk.update(connection, jobs, [row for row in writes.trails if row[1]], ("n", *GROWING), GROWING)
    bulk.insert(connection, transitions, writes.transitions)
    bulk.search_words(connection, writes.words)
    counting.write(connection, writes.counts)


def forget(connection: Connection, keys: Sequence[int]) -> None:
    """Remove jobs with all that is known of them; what was counted stays counted."""
    bulk.forget(connection, (jobs, transitions), keys)


def known_jobs(connection: Connection, ids: Iterable[str]) -> dict[str, Known]:
    """Return what is known of the jobs that have a row."""
    names = ", ".join(f"length(j.{name})" if name in GROWING else f"j.{name}" for name in Known._fields)
    rows = bulk.ask(connection, f"SELECT {names} FROM {{}} JOIN {jobs.name} j ON j.id = given.value", list(ids))
    return {row[0]: Known._make(row) for row in rows}


def _new_keys(connection: Connection, created: Mapping[str, int]) -> dict[str, int]:
    """Give each new job the first free key of its millisecond."""
    top = f"SELECT max(n) FROM {jobs.name} WHERE n >= value << {SHIFT} AND n < (value + 1) << {SHIFT}"
    taken = bulk.ask(connection, f"SELECT value, ({top}) FROM {{}}", list(set(created.values())))
    next_of = {ms: ms << SHIFT if last is None else last + 1 for ms, last in taken}
    keys: dict[str, int] = {}
    for id, ms in created.items():
        keys[id] = next_of[ms]
        next_of[ms] += 1
    return keys
