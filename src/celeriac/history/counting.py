"""Speaks SQL: counts the jobs that came and ended, how long they ran and waited, by minute, hour and six hours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection

from celeriac.history import bulk
from celeriac.history.rows import Times, bin_of
from celeriac.history.schema import buckets, timings

WIDTHS = (60, 3600, 21600)  # seconds of a bucket, each a multiple of the one before: a month is read by the longest
MINUTE = 1000 * WIDTHS[0]  # ms
NO_TIMES: Times = (None, None)
SUBMITTED = "submitted"  # counted beside the states in which jobs end


@dataclass(slots=True)
class Counts:
    """What a batch counts: (minute, task, queue, state) of each job, (minute, task, queue, kind, ms) of each time."""

    states: list[tuple[int, str, str, str]] = field(default_factory=list)
    times: list[tuple[int, str, str, str, int]] = field(default_factory=list)

    def add(self, at: int, task: str, queue: str, state: str, times: Times = NO_TIMES) -> None:
        """Count a job that was submitted or that ended at this time (ms), and how long that took."""
        minute = at // MINUTE * WIDTHS[0]
        self.states.append((minute, task, queue, state))
        run, wait = times
        if run is not None:
            self.times.append((minute, task, queue, "run", run))
        if wait is not None:
            self.times.append((minute, task, queue, "wait", wait))


def write(connection: Connection, counts: Counts) -> None:
    """Add to what was counted before: of all jobs, of each task, of each queue."""
    jobs: Counter[tuple[int, str, int, str]] = Counter()
    times: dict[tuple[int, str, int, str, int], list[int]] = {}
    for (minute, task, queue, state), number in Counter(counts.states).items():
        for scope in _scopes(task, queue):
            for width in WIDTHS:
                jobs[width, scope, minute // width * width, state] += number
    for (minute, task, queue, kind, ms), number in Counter(counts.times).items():
        bin = bin_of(ms)
        for scope in _scopes(task, queue):
            for width in WIDTHS:
                sums = times.setdefault((width, scope, minute // width * width, kind, bin), [0, 0])
                sums[0] += number
                sums[1] += ms * number
    bulk.add(connection, buckets, [(*key, number) for key, number in jobs.items()], ("jobs",))
    bulk.add(connection, timings, [(*key, *sums) for key, sums in times.items()], ("jobs", "ms"))


def _scopes(task: str, queue: str) -> tuple[str, str, str]:
    return "", f"t:{task}", f"q:{queue}"
