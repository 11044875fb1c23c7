"""Speaks SQL: how many jobs there are, and how many came, ended, ran and waited over time. Reads counts, not jobs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Table, func, select

from celeriac.errors import BadRequest
from celeriac.history.counting import SUBMITTED, WIDTHS
from celeriac.history.database import Database
from celeriac.history.retention import FINE
from celeriac.history.rows import time_of
from celeriac.history.schema import buckets, jobs, timings

MOST_POINTS = 1500


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs of a task are in a state."""

    task: str
    state: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds: mean, median, and what 95 of a hundred stay below; the last two within 10 %."""

    mean: float
    p50: float
    p95: float


@dataclass(slots=True)
class Point:
    """One step of time: jobs that came and that ended in each way; how long the ended ones ran, and had waited."""

    at: datetime
    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    lost: int = 0
    run: Spread | None = None
    wait: Spread | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        times = {name: None if spread is None else {"mean": spread.mean, "p50": spread.p50, "p95": spread.p95}
                 for name, spread in (("run", self.run), ("wait", self.wait))}  # fmt: skip
        ends = {name: getattr(self, name) for name in (SUBMITTED, "succeeded", "failed", "cancelled", "lost")}
        return {"at": self.at.isoformat().replace("+00:00", "Z"), **ends, **times}


@dataclass(slots=True)
class _Bins:
    jobs: dict[int, int] = field(default_factory=dict)
    ms: int = 0

    def spread(self) -> Spread:
        total = sum(self.jobs.values())
        return Spread(round(self.ms / total / 1000, 3), self._at(0.5 * total), self._at(0.95 * total))

    def _at(self, rank: float) -> float:
        seen = 0
        for bin in sorted(self.jobs):
            seen += self.jobs[bin]
            if seen >= rank:
                return round(time_of(bin) / 1000, 3)
        return 0.0


def counts(database: Database) -> list[Count]:
    """Return how many jobs of each task are in each state. Looks at an index of all jobs: keep it for some seconds."""
    asked = select(jobs.c.task, jobs.c.state, func.count().label("n")).group_by(jobs.c.task, jobs.c.state)
    with database.read() as connection:
        return [Count(row.task, row.state, row.n) for row in connection.execute(asked.order_by("task", "state"))]


def series(
    database: Database,
    since: datetime,
    until: datetime,
    step: int,
    task: str | None = None,
    queue: str | None = None,
) -> list[Point]:
    """Return one point for each `step` (seconds, whole minutes or hours) of a time, of all jobs, of a task or of a
    queue. Raises BadRequest.

    Minutes are kept for two days, hours as long as the jobs.
    """
    width = max((width for width in WIDTHS if step % width == 0), default=WIDTHS[0])
    first, last = int(since.timestamp()) // step * step if step > 0 else 0, int(until.timestamp())
    if step <= 0 or step % width:
        raise BadRequest("The step is not whole minutes.", "Give seconds, as 60, 300 or 3600.")
    if first < 0 or not 0 < (last - first) / step <= MOST_POINTS:
        raise BadRequest(f"That is no time, or more than {MOST_POINTS} steps.", "Take a longer step.")
    if width == WIDTHS[0] and datetime.now(UTC).timestamp() - first > FINE + step:
        raise BadRequest("Minutes are kept for two days only.", "Take a step of whole hours.")
    if task is not None and queue is not None:
        raise BadRequest("Counts are kept by task and by queue, not by both.", "Give one of them.")
    scope = f"t:{task}" if task is not None else f"q:{queue}" if queue is not None else ""
    points = {at: Point(datetime.fromtimestamp(at, UTC)) for at in range(first, last, step)}
    spreads: dict[tuple[int, str], _Bins] = defaultdict(_Bins)
    with database.read() as connection:
        for row in connection.execute(_asked(buckets, ("state",), width, first, last, step, scope)):
            if row.at in points:
                setattr(points[row.at], row.state, int(row.jobs))
        asked = _asked(timings, ("kind", "bin"), width, first, last, step, scope)
        for at, kind, bin, number, ms in connection.execute(asked):
            bins = spreads[at, kind]
            bins.jobs[bin] = int(number)  # PostgreSQL sums to decimals
            bins.ms += int(ms)
    for (at, kind), bins in spreads.items():
        if at in points:
            setattr(points[at], kind, bins.spread())
    return list(points.values())


def _asked(table: Table, by: tuple[str, ...], width: int, first: int, last: int, step: int, scope: str) -> Select[Any]:
    groups = [table.c[name] for name in by]
    counted = [table.c[name] for name in ("jobs", "ms") if name in table.c]
    where = [table.c.width == width, table.c.scope == scope, table.c.at >= first, table.c.at < last]
    if step == width:  # every row is a group of its own: thousands of them need no sorting
        return select(table.c.at, *groups, *counted).where(*where)
    at = (table.c.at // step * step).label("at")
    sums = [func.sum(column).label(column.name) for column in counted]
    return select(at, *groups, *sums).where(*where).group_by(at, *groups)
