"""A thousand jobs that only wait (10 × 1 s each) on one worker process: time until all are done, memory."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.measure import Plan, interleave
from benchmarks.outcome import Outcome, Ratio
from benchmarks.systems import beyond, celery, ours, peers
from benchmarks.systems.base import Running, System

METHOD = (
    "All jobs are queued while the worker is frozen; the clock runs from its thaw. One worker process with "
    "room for a thousand jobs; memory is the highest set size (PSS) of its processes, read twice a second. Ours has "
    "MALLOC_ARENA_MAX=2, as `up` sets it."
)
OURS = replace(ours.THREADS, env={**ours.THREADS.env, "MALLOC_ARENA_MAX": "2"})
SYSTEMS = (
    OURS,
    celery.STOCK_THREADS,
    peers.HUEY,
    peers.DRAMATIQ,
    peers.TASKIQ,
    peers.SAQ,
    peers.ARQ,
    peers.STREAQ,
    beyond.BULLMQ,
)
STEPS = 10


@dataclass(frozen=True)
class Wait:
    """Seconds until all jobs were done, MiB at the worst moment, worker CPU seconds."""

    seconds: float
    mebibytes: float
    cpu: float


def run(plan: Plan) -> Outcome:
    """Every system that can hold so many; the boilerplate does two at a time and would take hours."""
    jobs, pause = (1000, 0.1) if plan.quick else (1000, 1.0)
    turns = 1 if plan.quick else min(plan.rounds, 3)
    rounds = interleave(SYSTEMS, turns, lambda system: take(system, jobs, pause))
    title = f"{jobs:,} jobs that wait {STEPS} × {pause:g} s"
    columns = ["system", "all done after s", "memory MiB", "worker CPU s"]
    outcome = Outcome("waiting", title, METHOD, columns, notes=rounds.notes)
    for name in sorted(rounds.names(), key=lambda name: rounds.median(name, _seconds)):
        cells = [rounds.median(name, value) for value in (_seconds, _mebibytes, lambda wait: wait.cpu)]
        outcome.rows.append([name, f"{cells[0]:.1f}", f"{cells[1]:.0f}", f"{cells[2]:.1f}"])
    hours = jobs * STEPS * pause / 2 / 3600
    outcome.rows.append([celery.BOILERPLATE.name, f"{hours:.1f} h by arithmetic (two at a time)", "", ""])
    if mine := rounds.of(OURS.name):
        outcome.ratios = [
            Ratio("seconds", [wait.seconds for wait in mine], None if plan.quick else -12.0),
            Ratio("MiB", [wait.mebibytes for wait in mine], -150.0),
        ]
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    return outcome


def take(system: System, jobs: int, pause: float) -> tuple[Wait, Any]:
    """Queue all, thaw, watch."""
    with system.running(naps=True) as running:
        running.crew.freeze()
        running.driver.ask("nap", n=jobs, steps=STEPS, seconds=pause)
        before = running.usage()
        watch = Peak(running)
        start = time.monotonic()
        running.crew.thaw()
        with watch:
            finished = running.driver.finish(60 + 3 * STEPS * pause, poll=0.05)
        used = running.usage() - before
        return Wait(finished - start, watch.highest / 2**20, used.workers), running.driver.ask("versions")


class Peak:
    """The highest memory of a system's workers while the block runs."""

    def __init__(self, running: Running) -> None:
        self._running, self._over = running, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.highest = 0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self.highest = max(self.highest, self._running.memory())


def _seconds(wait: Wait) -> float:
    return wait.seconds


def _mebibytes(wait: Wait) -> float:
    return wait.mebibytes
