"""From submit to a visible result on an idle system, one job at a time: p50 and p99."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.drivers import DriverError
from benchmarks.measure import Plan, interleave
from benchmarks.outcome import Bar, Outcome, Ratio
from benchmarks.systems import beyond, celery, ours, peers
from benchmarks.systems.base import System

METHOD = (
    "One job at a time, 10 ms apart, on idle workers; the driver looks at the result key every 0.2 ms. So "
    "this is the system's own delay, not that of the way a caller chooses to wait."
)
SYSTEMS = (
    ours.PREFORK,
    ours.THREADS,
    celery.BOILERPLATE,
    celery.STOCK_THREADS,
    peers.HUEY,
    peers.DRAMATIQ,
    peers.TASKIQ,
    peers.SAQ,
    peers.ARQ,
    peers.STREAQ,
    peers.RQ_SIMPLE,
    beyond.BULLMQ,
)


@dataclass(frozen=True)
class Delay:
    """Milliseconds."""

    p50: float
    p99: float


def run(plan: Plan) -> Outcome:
    """All systems that store results."""
    jobs = 50 if plan.quick else 400
    rounds = interleave(SYSTEMS, plan.rounds, lambda system: take(system, jobs))
    columns = ["system", "setting", "p50 ms", "p99 ms"]
    outcome = Outcome("latency", "From submit to result", METHOD, columns, unit="p50 ms", notes=rounds.notes)
    settings = {system.name: system.setting for system in SYSTEMS}
    for name in sorted(rounds.names(), key=lambda name: rounds.median(name, _p50)):
        cells = [rounds.median(name, _p50), rounds.median(name, _p99)]
        outcome.rows.append([name, settings[name], *(f"{cell:.1f}" for cell in cells)])
        values = [delay.p50 for delay in rounds.of(name)]
        outcome.bars.append(Bar(name, cells[0], min(values), max(values), name.startswith("celeriac")))
    others = [system.name for system in SYSTEMS if system not in (ours.PREFORK, ours.THREADS)]
    mine = ours.THREADS.name
    outcome.ratios += rounds.ratio(mine, others, _p50, goal=-1.0, best=min, label=f"p50, {mine} / the best peer")
    if tail := [delay.p99 / delay.p50 for delay in rounds.of(mine)]:
        outcome.ratios.append(Ratio(f"p99 / p50 of {mine}", tail, -2.0))
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    return outcome


def take(system: System, jobs: int) -> tuple[Delay, Any]:
    """The delays of some jobs."""
    with system.running() as running:
        answer = running.driver.ask("latency", n=jobs)
        if answer["missing"]:
            raise DriverError("a result did not come within 10 s")
        cuts = statistics.quantiles(answer["seconds"], n=100)
        return Delay(cuts[49] * 1e3, cuts[98] * 1e3), running.driver.ask("versions")


def _p50(delay: Delay) -> float:
    return delay.p50


def _p99(delay: Delay) -> float:
    return delay.p99
