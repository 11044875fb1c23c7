"""What a batch of the journal's entries says, job by job. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from celeriac.job import TERMINAL, State
from celeriac.store.journal import DELETED, Detail, Entry

STEADY = frozenset((State.RUNNING, State.SUCCEEDED))  # whoever comes here keeps its arguments


class Known(NamedTuple):
    """A job that has a row, and what the row tells; `trail` is its length."""

    id: str
    n: int
    state: str
    seq: int
    task: str
    queue: str
    due: int | None
    started_at: int | None
    finished_at: int | None
    trail: int


@dataclass(slots=True)
class Job:
    """What a batch says of one job: its entries since it was last deleted, and whether it was."""

    id: str
    entries: list[Entry]
    deleted: bool = False

    def is_told(self, known: Known) -> bool:
        """Need no record be read? Its row was written after the end that these entries tell of, or the last of them
        tells all that changed since then."""
        last = self.entries[-1]
        if last.seq <= known.seq:
            return known.state == last.state and last.state in TERMINAL
        return bool(last.told) and all(entry.state in STEADY for entry in self.entries)

    def has_passed(self) -> bool:
        """Does its last entry tell of a start or a success?"""
        return bool(self.entries[-1].told) and self.entries[-1].state in STEADY

    def submission(self) -> Detail | None:
        """Return the record as its submission left it, if nothing came after that but what the last entry tells."""
        later = self.entries[1:]
        if later and not (self.has_passed() and all(entry.state in STEADY for entry in later)):
            return None
        return self.entries[0].submission()


def jobs_of(entries: Iterable[Entry]) -> dict[str, Job]:
    """Group the entries by job."""
    found: dict[str, Job] = {}
    for entry in entries:
        job = found.get(entry.job)
        if job is None:
            job = found[entry.job] = Job(entry.job, [])
        if entry.state == DELETED:
            job.entries, job.deleted = [], True
        else:
            job.entries.append(entry)
    return found
