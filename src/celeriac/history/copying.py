"""Speaks SQL: stores what happened, in the transaction that also moves the cursor: each transition once.

1. `jobs_of` groups a batch of the journal's entries by job.
2. `store` reads of each job's record what its row does not tell yet: nothing where the row was written after its end.
3. It writes rows, transitions, words and counts; a job that was deleted goes from all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from celeriac.history import bulk, counting
from celeriac.history.counting import SUBMITTED, Counts
from celeriac.history.rows import MOVING, Row, created_at, is_known, moving_row, row_of, row_without_record, times_of
from celeriac.history.schema import SHIFT, jobs, transitions
from celeriac.history.words import words_of
from celeriac.job import TERMINAL, State
from celeriac.store.journal import Detail, Entry

DELETED = "deleted"

AGAIN = ("retried", "requeued")  # the arguments may be others now
LASTING = ("args", "options")  # kept when a later look does not know them any more
ENTRY_ONLY = ("state", "seq", "finished_at")  # all that an entry tells without a record
STEADY = frozenset((State.RUNNING, State.SUCCEEDED))  # whoever comes here changes MOVING alone

#: Reads records of these jobs: with True what changes while a job runs and succeeds, with False everything.
Read = Callable[[Sequence[str], bool], Mapping[str, Detail]]


class Known(NamedTuple):
    """A job that has a row, and what the row tells."""

    n: int
    state: str
    seq: int
    task: str
    queue: str
    due: int | None
    started_at: int | None
    finished_at: int | None


@dataclass(slots=True)
class Job:
    """What a batch says of one job: its entries since it was last deleted, and whether it was."""

    id: str
    entries: list[Entry] = field(default_factory=list)
    deleted: bool = False

    def is_told(self, known: Known | None) -> bool:
        """Was the row written after the end that these entries tell of?"""
        last = self.entries[-1]
        return known is not None and known.state == last.state and last.state in TERMINAL and last.seq <= known.seq

    def is_steady(self, known: Known | None) -> bool:
        """Did the job only go on, since its row was written?"""
        return known is not None and all(entry.state in STEADY for entry in self.entries)


@dataclass(slots=True)
class Writes:
    """The rows of one batch, table by table."""

    rows: list[Row] = field(default_factory=list)
    moved: list[Row] = field(default_factory=list)
    closed: list[Row] = field(default_factory=list)
    transitions: list[Row] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def jobs_of(entries: Iterable[Entry]) -> dict[str, Job]:
    """Group the entries by job."""
    found: dict[str, Job] = {}
    for entry in entries:
        job = found.get(entry.job)
        if job is None:
            job = found[entry.job] = Job(entry.job)
        if entry.state == DELETED:
            job.entries, job.deleted = [], True
        else:
            job.entries.append(entry)
    return found


def store(connection: Connection, birth: int, batch: Mapping[str, Job], read: Read) -> list[str]:
    """Write a batch of entries with the records as they are now; return the jobs whose message was needed for that."""
    known = known_jobs(connection, batch)
    writes = Writes(gone=[known.pop(job.id).n for job in batch.values() if job.deleted and job.id in known])
    present = [job for job in batch.values() if job.entries]
    details = _details(present, known, read)
    fresh = {job.id: created_at(details[job.id], job.entries[0].at) for job in present if job.id not in known}
    keys = _new_keys(connection, fresh)
    for job in present:
        before = known.get(job.id)
        n = before.n if before is not None else keys[job.id]
        _add_job(writes, n, job, details.get(job.id), before)
        writes.transitions += [_transition(n, birth, entry) for entry in job.entries]
    write(connection, writes)
    return [id for id, detail in details.items() if detail.message]


def _details(present: Sequence[Job], known: Mapping[str, Known], read: Read) -> dict[str, Detail]:
    """Read what the rows do not tell yet."""
    wanted = [job for job in present if not job.is_told(known.get(job.id))]
    steady = [job.id for job in wanted if job.is_steady(known.get(job.id))]
    found = {id: detail for id, detail in read(steady, True).items() if detail.fields.get("state", "") in ("", *STEADY)}
    return {**found, **read([job.id for job in wanted if job.id not in found], False)}


def store_records(connection: Connection, details: Mapping[str, Detail], until: int) -> None:
    """Write records as they are, where the entries before `until` (ms) are missing: later ones are still to come, and
    tell and count what they tell."""
    alive = {id: detail for id, detail in details.items() if is_known(detail)}
    known = known_jobs(connection, alive)
    missing = {id: created_at(detail, until) for id, detail in alive.items() if id not in known}
    keys = _new_keys(connection, {id: created for id, created in missing.items() if created <= until})
    writes = Writes()
    for id in (*keys, *known):
        row, before = row_of(id, alive[id]), known.get(id)
        n = keys[id] if before is None else before.n
        _add_row(writes, n, row, new=before is None)
        if before is None:
            writes.counts.add(n >> SHIFT, row["task"], row["queue"], SUBMITTED)
        if row["state"] in TERMINAL and (before is None or before.state not in TERMINAL):
            ended = row["finished_at"] or n >> SHIFT
            if ended < until:
                writes.counts.add(ended, row["task"], row["queue"], row["state"], times_of(row, n >> SHIFT))
    write(connection, writes)


def _add_job(writes: Writes, n: int, job: Job, detail: Detail | None, before: Known | None) -> None:
    last = job.entries[-1]
    row: Mapping[str, Any]
    if detail is None or (before is not None and not is_known(detail)):
        assert before is not None
        row = before._asdict()
        if detail is not None:
            closed = row_without_record(job.id, last.state, last.at, last.seq)
            writes.closed.append({"n": n} | {name: closed[name] for name in ENTRY_ONLY})
            row |= writes.closed[-1]
    elif before is not None and "task" not in detail.fields:
        row = {**before._asdict(), **moving_row(detail)}
        row["n"] = n
        writes.moved.append(row)
    else:
        row = row_of(job.id, detail) if is_known(detail) else row_without_record(job.id, last.state, last.at, last.seq)
        _add_row(writes, n, row, new=before is None)
    count = writes.counts.add
    if before is None:
        count(n >> SHIFT, row["task"], row["queue"], SUBMITTED)
    for entry in job.entries:
        if entry.state in TERMINAL:
            is_last = entry is last and row["state"] == entry.state
            count(entry.at, row["task"], row["queue"], entry.state, times_of(row, n >> SHIFT) if is_last else {})


def _add_row(writes: Writes, n: int, row: Row, new: bool) -> None:
    row["n"] = n
    writes.rows.append(row)
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
    bulk.put(connection, jobs, writes.rows, LASTING)
    bulk.update(connection, jobs, writes.moved, MOVING)
    bulk.update(connection, jobs, writes.closed, ENTRY_ONLY)
    bulk.insert(connection, transitions, writes.transitions)
    bulk.search_words(connection, writes.words)
    counting.write(connection, writes.counts)


def forget(connection: Connection, keys: Sequence[int]) -> None:
    """Remove jobs with all that is known of them; what was counted stays counted."""
    bulk.forget(connection, (jobs, transitions), keys)


def known_jobs(connection: Connection, ids: Iterable[str]) -> dict[str, Known]:
    """Return what is known of the jobs that have a row."""
    names = ", ".join(f"j.{name}" for name in Known._fields)
    rows = bulk.ask(connection, f"SELECT j.id, {names} FROM {{}} JOIN {jobs.name} j ON j.id = given.value", list(ids))
    return {row[0]: Known(*row[1:]) for row in rows}


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
