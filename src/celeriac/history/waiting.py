"""What the rows of jobs that wait tell, so that they need not be looked up when something happens to them. Pure.

Whoever copies is the only one to change such rows, and forgets them with its part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from sys import intern

from celeriac.history.grouping import Job, Known
from celeriac.history.rows import Row

MOST = 20_000  # jobs, some 400 bytes each


class Waiting:
    """The jobs that wait since their rows were written, the oldest first."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def take(self, batch: Mapping[str, Job]) -> dict[str, Known]:
        """Return and forget the jobs of a batch, but for those that may have begun anew: their rows are looked up."""
        found = {id: self._known.pop(id) for id in batch.keys() & self._known.keys()}
        return {id: known for id, known in found.items() if _goes_on(batch[id], known)}

    def keep(self, rows: Iterable[Row]) -> None:
        """Remember new rows once they are stored; where they are too many, the latest."""
        for row in rows:
            self._known[row.id] = Known(
                row.id, row.n, intern(row.state), row.seq, intern(row.task), intern(row.queue), row.due,
                row.started_at, row.finished_at, len(row.trail),
            )  # fmt: skip
        for id in list(islice(self._known, max(0, len(self._known) - MOST))):
            del self._known[id]

    def forget(self) -> None:
        """Remember none of them."""
        self._known.clear()


def _goes_on(job: Job, known: Known) -> bool:
    return not job.deleted and job.entries[0].seq > known.seq
