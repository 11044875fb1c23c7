"""What copying a job into the history costs, in CPU: the copier alone, on SQLite, with nothing beside it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask

from benchmarks.measure import Plan
from benchmarks.outcome import Outcome, Ratio
from benchmarks.servers import Server
from celeriac import Celeriac
from celeriac.history.copier import Copier, space_of
from celeriac.history.unhurried import unhurried
from celeriac.job import Move
from celeriac.store import batch, moves

METHOD = (
    "Jobs that add two numbers, submitted, fetched and ended by the moves themselves; the copier then goes through the "
    "journal in this process. CPU µs for each job, of this process and of Redis."
)
STAGES = ("a job that waits", "the same job when it has succeeded", "a job that came and ended since the last look")
FETCHED = 48
GOALS = {"process": 50.0, "Redis": 12.0}  # µs of both stages of a job that waits before it runs


@dataclass(frozen=True)
class Spent:
    """CPU µs of one job."""

    process: float
    redis: float


VALUES: dict[str, Callable[[Spent], float]] = {"process": lambda spent: spent.process, "Redis": lambda s: s.redis}


class Jobs:
    """An app over a server of its own; what happens to its jobs is done here, by hand."""

    def __init__(self, app: Flask, number: int) -> None:
        self.app, self.number = app, number
        self.celery: Any = app.extensions["celery"]
        self.copier = Copier(self.celery.settings, self.celery)
        self.space = space_of(self.celery.settings)

    def submit(self, n: int) -> None:
        """Queue so many."""
        for i in range(n):
            self.celery.send_task("bench.add", (i, 2))

    def run(self, n: int) -> None:
        """Fetch and end so many, as a worker does with tiny ones."""
        client, lists = self.celery.client, [(f"{self.space.prefix}celery", "celery", True)]
        while n > 0:
            ends = []
            for one in moves.fetch(client, self.space, FETCHED, lists).deliveries:
                id, _, fence = one.token.rpartition(":")
                said = {"status": "SUCCESS", "result": n, "traceback": None, "children": [], "task_id": id}
                meta = json.dumps(said, separators=(",", ":"))  # as the worker writes it
                ends.append(moves.Finish(id, Move.SUCCEED, int(fence), meta, 0.002, "bench@host"))
            batch.Batch(ends=ends).write(client, self.space)
            n -= len(ends)

    def copied(self) -> Spent:
        """Copy all there is, and tell what that took."""
        redis, own = self._redis(), time.process_time()
        with unhurried():
            while self.copier.step():
                pass
        each = 1e6 / self.number
        return Spent((time.process_time() - own) * each, (self._redis() - redis) * each)

    def _redis(self) -> float:
        used = self.celery.client.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def run(plan: Plan) -> Outcome:
    """Each stage once in a round, on a fresh server."""
    number = 2000 if plan.quick else 20_000
    columns = ["", "process", "Redis"]
    outcome = Outcome("history_copying", f"Copying {number:,} jobs into the history", METHOD, columns, unit="µs")
    rounds = [measure(number) for _ in range(plan.rounds)]
    for stage in STAGES:
        spent = [one[stage] for one in rounds]
        cells = [statistics.median(value(one) for one in spent) for value in VALUES.values()]
        outcome.rows.append([stage, *(f"{cell:.1f}" for cell in cells)])
    for name, value in VALUES.items():
        both = [value(one[STAGES[0]]) + value(one[STAGES[1]]) for one in rounds]
        outcome.ratios.append(Ratio(f"{name}, both stages of a job that waits, µs", both, -GOALS[name]))
    outcome.raw = {stage: [[one[stage].process, one[stage].redis] for one in rounds] for stage in STAGES}
    return outcome


def measure(number: int) -> dict[str, Spent]:
    """One round."""
    with opened(number) as jobs:
        jobs.copied()  # the tables are made
        jobs.submit(number)
        found = {STAGES[0]: jobs.copied()}
        jobs.run(number)
        found[STAGES[1]] = jobs.copied()
        for _ in range(number // FETCHED):
            jobs.submit(FETCHED)
            jobs.run(FETCHED)
        return {**found, STAGES[2]: jobs.copied()}


@contextmanager
def opened(number: int) -> Iterator[Jobs]:
    """An app with an empty history."""
    with Server() as server:
        app = Flask("bench")
        app.config.update(BROKER_URL=server.url, CELERIAC_DATA=server.folder, CELERIAC_QUEUE_LIMIT=10 * number)
        Celeriac(app)
        jobs = Jobs(app, number)
        try:
            yield jobs
        finally:
            jobs.copier.database.dispose()
