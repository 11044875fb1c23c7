"""What the history costs: our workers with it and without, in one run, and the CPU until everything is copied."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from redis import Redis

from benchmarks.drivers import DriverError
from benchmarks.measure import Plan, interleave
from benchmarks.outcome import Bar, Outcome
from benchmarks.systems import ours
from benchmarks.systems.base import Running, System

METHOD = (
    "Jobs that add two numbers, each result checked; the backlog is built while the workers are frozen. CPU is that of "
    "the workers and of Redis, from the first fetch until the history has every transition, however late that is."
)
PAIRS = ((ours.THREADS, ours.THREADS_BARE), (ours.PREFORK, ours.PREFORK_BARE))
PILOT = 500
BOUND = 60.0


@dataclass(frozen=True)
class Cost:
    """One round of one system: jobs/s until the results are there, CPU µs per job and seconds until all is copied."""

    jobs: int
    per_second: float
    work: float
    behind: float


def run(plan: Plan) -> Outcome:
    """With and without in turn."""
    systems = [system for pair in PAIRS for system in pair]
    rounds = interleave(systems, plan.rounds, lambda system: take(system, plan.seconds))
    columns = ["system", "jobs/s", "range", "CPU µs/job until copied", "copied s later"]
    outcome = Outcome("history_cost", "What the history costs", METHOD, columns, unit="jobs/s", notes=rounds.notes)
    for name in rounds.names():
        rates = [cost.per_second for cost in rounds.of(name)]
        middle = [rounds.median(name, value) for value in (speed, work, lambda cost: cost.behind)]
        span = f"{min(rates):,.0f}–{max(rates):,.0f}"
        outcome.rows.append([name, f"{middle[0]:,.0f}", span, f"{middle[1]:,.0f}", f"{middle[2]:.1f}"])
        outcome.bars.append(Bar(name, middle[0], min(rates), max(rates), ours=True))
    for whole, bare in PAIRS:
        outcome.ratios += rounds.ratio(whole.name, [bare.name], speed, goal=0.85)
        label = f"CPU, {bare.name} / {whole.name}"
        outcome.ratios += rounds.ratio(bare.name, [whole.name], work, goal=0.85, label=label)
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    return outcome


def take(system: System, seconds: float) -> tuple[Cost, Any]:
    """A burst to learn the pace, then a backlog that should last for `seconds`."""
    with system.running() as running:
        spent, _ = running.burst(PILOT, BOUND, bulk=system.bulk)
        catch_up(running, system)
        jobs = int(PILOT / spent * seconds)
        before = running.usage()
        running.crew.freeze()
        try:
            running.driver.ask("submit", n=jobs, bulk=system.bulk)
            before = running.usage()
        finally:
            start = time.monotonic()
            running.crew.thaw()
        spent = running.driver.finish(BOUND) - start
        behind = catch_up(running, system)
        used = running.usage() - before
        work = (used.workers + used.redis) / jobs * 1e6
        return Cost(jobs, jobs / spent, work, behind), running.driver.ask("versions")


def catch_up(running: Running, system: System) -> float:
    """Wait until everything is copied; return the seconds that took."""
    if system.env.get("CELERIAC_HISTORY") == "false":
        return 0.0
    start = time.monotonic()
    with Redis.from_url(running.server.url) as client:
        while not is_copied(client):
            if time.monotonic() - start > BOUND:
                raise DriverError("the history never caught up")
            time.sleep(0.05)
    return time.monotonic() - start


def is_copied(client: Redis) -> bool:
    """Is the newest entry of the journal in the history?"""
    newest = client.xrevrange("celeriac:journal", "+", "-", 1)
    milliseconds, _, counter = newest[0][0].partition(b"-")
    return int(client.hget("celeriac:history", "copied") or 0) >= (int(milliseconds) << 20) + int(counter)


def speed(cost: Cost) -> float:
    """Jobs per second."""
    return cost.per_second


def work(cost: Cost) -> float:
    """CPU µs per job."""
    return cost.work
