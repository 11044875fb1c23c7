"""Speaks SQL: everything that happened to one job, and where something may have happened that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select

from celeriac.history.database import Database
from celeriac.history.rows import read_trail
from celeriac.history.schema import SHIFT, gaps, jobs, transitions
from celeriac.store.journal import Entry

GAP = "gap"  # beside the states
_END = (1 << 62, 1 << 62)


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that happened to a job; with the state GAP the journal was lost from then on, and `note` says until
    when: the job may have done more in that time."""

    at: datetime
    state: str
    attempt: int | None
    note: str


def timeline(database: Database, id: str) -> list[Transition]:
    """Return everything that happened to a job, the oldest first, with a GAP where the journal was lost meanwhile."""
    with database.read() as connection:
        asked = select(jobs.c.n, jobs.c.seq, jobs.c.trail).where(jobs.c.id == id)
        job = connection.execute(asked).one_or_none()
        if job is None:
            return []
        lost = connection.execute(select(gaps).where(gaps.c.before_entry > job.n)).all()
        rows = connection.execute(select(transitions).where(transitions.c.n == job.n)).all()
    entries = read_trail(job.trail)
    entries += [(r.birth, Entry(r.entry, id, r.state, r.seq, r.attempt, r.at, r.note)) for r in rows]
    found: list[Transition] = []
    place, seq = (0, job.n), 0
    for birth, entry in sorted(entries):
        here = (birth, entry.number)
        if entry.seq > seq + 1:  # not all that has a number is a transition: lines and progress have one, too
            found += _missing(lost, place, here)
        found.append(Transition(_moment(entry.at), entry.state, entry.attempt, entry.note))
        place, seq = here, entry.seq
    return found + (_missing(lost, place, _END) if job.seq > seq else [])


def _missing(lost: Sequence[Row[Any]], after: tuple[int, int], until: tuple[int, int]) -> list[Transition]:
    """Return what must be said between two entries, each with its birth."""
    return [
        Transition(_moment(max(gap.after_entry, after[1]) >> SHIFT), GAP, None, _until(gap.before_entry))
        for gap in lost
        if after < (gap.birth, gap.before_entry) <= until
    ]


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _until(entry: int) -> str:
    return f"what happened until {_moment(entry >> SHIFT):%Y-%m-%dT%H:%M:%SZ} is lost"
