"""Speaks SQL: stores what happened, in the transaction that also moves the cursor: each transition once.

1. `jobs_of` groups a batch of the journal's entries by job.
2. `store` writes rows, transitions, words and counts; a job that was deleted goes from all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from celeriac.history import bulk
from celeriac.history.rows import Row, bin_of, created_at, is_known, row_of, row_without_record, times_of
from celeriac.history.schema import SHIFT, buckets, jobs, timings, transitions
from celeriac.history.words import words_of
from celeriac.job import TERMINAL
from celeriac.store.journal import Detail, Entry

WIDTHS = (60, 3600)  # seconds of a bucket
SUBMITTED = "submitted"  # counted beside the states in which jobs end
DELETED = "deleted"

AGAIN = ("retried", "requeued")  # the arguments may be others now
LASTING = ("args", "options")  # kept when a later look does not know them any more
CHANGING = [column.name for column in jobs.c if column.name not in ("n", "id", *LASTING)]
ENTRY_ONLY = ("state", "seq", "finished_at")  # all that an entry tells without a record


@dataclass(slots=True)
class Job:
    """What a batch says of one job: its entries since it was last deleted, and whether it was."""

    id: str
    entries: list[Entry] = field(default_factory=list)
    deleted: bool = False


@dataclass(slots=True)
class Writes:
    """The rows of one batch, table by table."""

    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    closed: list[Row] = field(default_factory=list)
    transitions: list[Row] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    times: Counter[tuple[str, int, str, int]] = field(default_factory=Counter)
    sums: Counter[tuple[str, int, str, int]] = field(default_factory=Counter)

    def count(self, at: int, row: Mapping[str, Any], state: str, times: Mapping[str, int]) -> None:
        """Count a job that was submitted or that ended at this time (ms)."""
        second = at // 1000
        for scope in ("", f"t:{row['task']}", f"q:{row['queue']}"):
            self.counts[scope, second, state] += 1
            for kind, ms in times.items():
                key = (scope, second, kind, bin_of(ms))
                self.times[key] += 1
                self.sums[key] += ms


def jobs_of(entries: Iterable[Entry]) -> dict[str, Job]:
    """Group the entries by job."""
    found: dict[str, Job] = {}
    for entry in entries:
        job = found.setdefault(entry.job, Job(entry.job))
        if entry.state == DELETED:
            job.entries, job.deleted = [], True
        else:
            job.entries.append(entry)
    return found


def store(connection: Connection, birth: int, batch: Mapping[str, Job], details: Mapping[str, Detail]) -> None:
    """Write a batch of entries with the records that were read after them."""
    known = known_jobs(connection, batch)
    writes = Writes(gone=[known.pop(job.id)[0] for job in batch.values() if job.deleted and job.id in known])
    fresh = [job for job in batch.values() if job.entries and job.id not in known]
    keys = _new_keys(connection, {j.id: created_at(details[j.id], j.entries[0].at) for j in fresh})
    for job in batch.values():
        if job.entries:
            _add_job(writes, job, details[job.id], known.get(job.id), keys.get(job.id))
            n = keys.get(job.id) or known[job.id][0]
            writes.transitions += [_transition(n, birth, entry) for entry in job.entries]
    write(connection, writes)


def store_records(connection: Connection, details: Mapping[str, Detail], until: int) -> None:
    """Write records as they are, where the entries before `until` (ms) are missing: later ones are still to come, and
    tell and count what they tell."""
    alive = {id: detail for id, detail in details.items() if is_known(detail)}
    known = known_jobs(connection, alive)
    missing = {id: created_at(detail, until) for id, detail in alive.items() if id not in known}
    keys = _new_keys(connection, {id: created for id, created in missing.items() if created <= until})
    writes = Writes()
    for id in (*keys, *known):
        row, before, n = row_of(id, alive[id]), known.get(id), keys.get(id) or known[id][0]
        _add_row(writes, n, row, new=before is None)
        if before is None:
            writes.count(n >> SHIFT, row, SUBMITTED, {})
        if row["state"] in TERMINAL and (before is None or before[1] not in TERMINAL):
            ended = row["finished_at"] or n >> SHIFT
            if ended < until:
                writes.count(ended, row, row["state"], times_of(row, n >> SHIFT))
    write(connection, writes)


def _add_job(writes: Writes, job: Job, detail: Detail, before: tuple[int, str] | None, key: int | None) -> None:
    last = job.entries[-1]
    n = key if key is not None else before[0] if before else 0
    if is_known(detail):
        row = row_of(job.id, detail)
        _add_row(writes, n, row, new=key is not None)
    else:
        row = row_without_record(job.id, last.state, last.at, last.seq)
        if key is not None:
            writes.new.append({"n": n, **row})
        else:
            writes.closed.append({"key": n} | {name: row[name] for name in ENTRY_ONLY})
    if key is not None:
        writes.count(n >> SHIFT, row, SUBMITTED, {})
    for entry in job.entries:
        if entry.state in TERMINAL:
            is_last = entry is last and row["state"] == entry.state
            writes.count(entry.at, row, entry.state, times_of(row, n >> SHIFT) if is_last else {})


def _add_row(writes: Writes, n: int, row: Row, new: bool) -> None:
    if new:
        writes.new.append({"n": n, **row})
    else:
        writes.changed.append({"key": n} | {name: row[name] for name in (*CHANGING, *LASTING)})
    if row["args"] is not None and (new or row["error"] or row["reason"] in AGAIN):
        words = words_of(row["args"], row["error"] or "")
        if words:
            writes.words.append((n, words))


def _transition(n: int, birth: int, e: Entry) -> Row:
    return {"n": n, "birth": birth, "entry": e.number, "state": e.state, "at": e.at, "attempt": e.attempt,
            "seq": e.seq, "note": e.note}  # fmt: skip


def write(connection: Connection, writes: Writes) -> None:
    """Write everything, table by table."""
    if writes.gone:
        forget(connection, writes.gone)
    bulk.insert(connection, jobs, writes.new)
    bulk.update(connection, jobs, writes.changed, [*CHANGING, *LASTING], LASTING)
    bulk.update(connection, jobs, writes.closed, ENTRY_ONLY)
    bulk.insert(connection, transitions, writes.transitions)
    bulk.search_words(connection, writes.words)
    _write_counts(connection, writes)


def forget(connection: Connection, keys: Sequence[int]) -> None:
    """Remove jobs with all that is known of them; what was counted stays counted."""
    bulk.forget(connection, (jobs, transitions), keys)


def _write_counts(connection: Connection, writes: Writes) -> None:
    counts: Counter[tuple[int, str, int, str]] = Counter()
    times: dict[tuple[int, str, int, str, int], list[int]] = {}
    for width in WIDTHS:
        for (scope, at, state), n in writes.counts.items():
            counts[width, scope, at // width * width, state] += n
        for key, n in writes.times.items():
            scope, at, kind, bin = key
            total = times.setdefault((width, scope, at // width * width, kind, bin), [0, 0])
            total[0] += n
            total[1] += writes.sums[key]
    names = buckets.c.keys()
    bulk.add(connection, buckets, [dict(zip(names, (*k, n), strict=True)) for k, n in counts.items()], ("jobs",))
    names = timings.c.keys()
    rows = [dict(zip(names, (*k, *sums), strict=True)) for k, sums in times.items()]
    bulk.add(connection, timings, rows, ("jobs", "ms"))


def known_jobs(connection: Connection, ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Return key and state of the jobs that have a row."""
    found = connection.execute(select(jobs.c.id, jobs.c.n, jobs.c.state).where(jobs.c.id.in_(list(ids))))
    return {row.id: (row.n, row.state) for row in found}


def _new_keys(connection: Connection, created: Mapping[str, int]) -> dict[str, int]:
    """Give each new job the first free key of its millisecond."""
    keys: dict[str, int] = {}
    next_of: dict[int, int] = {}
    for id, ms in created.items():
        keys[id] = next_of.setdefault(ms, ms << SHIFT)
        next_of[ms] += 1
    taken = connection.execute(select(jobs.c.n).where(jobs.c.n.in_(keys.values()))).scalars()
    for ms in {n >> SHIFT for n in taken}:  # an earlier batch had jobs of this millisecond, too
        beyond = select(func.max(jobs.c.n)).where(jobs.c.n.between(ms << SHIFT, ((ms + 1) << SHIFT) - 1))
        top = connection.execute(beyond).scalar_one() + 1 - (ms << SHIFT)
        keys.update({id: n + top for id, n in keys.items() if n >> SHIFT == ms})
    return keys
