"""Speaks SQL: counts the jobs that came and ended, how long they ran and waited, by minute, hour and six hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from celeriac.history import bulk
from celeriac.history.rows import bin_of
from celeriac.history.schema import buckets, timings

WIDTHS = (60, 3600, 21600)  # seconds of a bucket, each a multiple of the one before: a month is read by the longest
MINUTE = 1000 * WIDTHS[0]  # ms
NO_TIMES: Mapping[str, int] = {}
SUBMITTED = "submitted"  # counted beside the states in which jobs end


@dataclass(slots=True)
class Counts:
    """What a batch counts, by minute, task and queue: jobs by state, and times by kind and bin (number, ms)."""

    states: Counter[tuple[int, str, str, str]] = field(default_factory=Counter)
    times: dict[tuple[int, str, str, str, int], list[int]] = field(default_factory=dict)

    def add(self, at: int, task: str, queue: str, state: str, times: Mapping[str, int] = NO_TIMES) -> None:
        """Count a job that was submitted or that ended at this time (ms), and how long that took."""
        minute = at // MINUTE * WIDTHS[0]
        self.states[minute, task, queue, state] += 1
        for kind in times:
            ms = times[kind]
            key = (minute, task, queue, kind, bin_of(ms))
            sums = self.times.get(key)
            if sums is None:
                self.times[key] = [1, ms]
            else:
                sums[0] += 1
                sums[1] += ms


def write(connection: Connection, counts: Counts) -> None:
    """Add to what was counted before: of all jobs, of each task, of each queue."""
    jobs: Counter[tuple[int, str, int, str]] = Counter()
    times: dict[tuple[int, str, int, str, int], list[int]] = {}
    for (minute, task, queue, state), number in counts.states.items():
        for scope in _scopes(task, queue):
            for width in WIDTHS:
                jobs[width, scope, minute // width * width, state] += number
    for (minute, task, queue, kind, bin), (number, ms) in counts.times.items():
        for scope in _scopes(task, queue):
            for width in WIDTHS:
                sums = times.setdefault((width, scope, minute // width * width, kind, bin), [0, 0])
                sums[0] += number
                sums[1] += ms
    bulk.add(connection, buckets, [(*key, number) for key, number in jobs.items()], ("jobs",))
    bulk.add(connection, timings, [(*key, *sums) for key, sums in times.items()], ("jobs", "ms"))


def _scopes(task: str, queue: str) -> tuple[str, str, str]:
    return "", f"t:{task}", f"q:{queue}"
