"""Jobs per second and CPU per job of many systems: what `queue`, `worker` and `throughput` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Plan, Rounds, interleave
from benchmarks.outcome import Bar, Outcome
from benchmarks.systems.base import System

METHOD = (
    "Jobs that add two numbers, their results stored and each one checked. The backlog is built while the "
    "workers are frozen, so submitting costs the workers nothing. CPU is read from /proc for all processes "
    "of a system and for its Redis. A fresh server and fresh workers for every system in every round."
)
LIMITS = (200, 30_000)
PILOT = 0.15
BOUND = 60.0
DISTURBED = 0.2  # processors


@dataclass(frozen=True)
class Rate:
    """One round of one system; CPU in µs per job, `others` in processors that somebody else kept busy."""

    jobs: int
    per_second: float
    workers: float
    redis: float
    others: float


def take(system: System, seconds: float) -> tuple[Rate, Any]:
    """A pilot burst to learn the pace, then a backlog that should last for `seconds`."""
    with system.running() as running:
        pilot = max(LIMITS[0], int(system.pace * PILOT))
        spent, _ = running.burst(pilot, BOUND, bulk=system.bulk)
        jobs = min(max(int(pilot / spent * seconds), LIMITS[0]), LIMITS[1])
        spent, usage = running.burst(jobs, BOUND, bulk=system.bulk)
        costs = (usage.workers / jobs * 1e6, usage.redis / jobs * 1e6)
        rate = Rate(jobs, jobs / spent, *costs, usage.others / spent)
        return rate, running.driver.ask("versions")


def run(name: str, title: str, systems: Sequence[System], plan: Plan) -> tuple[Outcome, Rounds[Rate]]:
    """Measure the systems and lay the table; the caller adds its ratios."""
    rounds = interleave(systems, plan.rounds, lambda system: take(system, plan.seconds))
    columns = ["system", "setting", "jobs/s", "range", "worker CPU µs/job", "Redis CPU µs/job", "delivery"]
    outcome = Outcome(name, title, METHOD, columns, unit="jobs/s", notes=rounds.notes)
    settings = {system.name: system for system in systems}
    for key in sorted(rounds.names(), key=lambda key: -rounds.median(key, lambda r: r.per_second)):
        outcome.rows.append(_row(settings[key], rounds))
        outcome.bars.append(_bar(settings[key], rounds))
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    outcome.notes += _disturbances(rounds)
    return outcome, rounds


def _disturbances(rounds: Rounds[Rate]) -> list[str]:
    """Say which rates to distrust: somebody else was using the machine."""
    shares = {name: [rate.others for rate in rounds.of(name)] for name in rounds.names()}
    return [
        f"{name}: others kept up to {max(row):.1f} processors busy meanwhile; trust its CPU per job, not its rate."
        for name, row in shares.items()
        if max(row) > DISTURBED
    ]


def speed(rate: Rate) -> float:
    """Jobs per second."""
    return rate.per_second


def work(rate: Rate) -> float:
    """CPU µs per job of all worker processes."""
    return rate.workers


def _row(system: System, rounds: Rounds[Rate]) -> list[str]:
    rates = [rate.per_second for rate in rounds.of(system.name)]
    middle = [rounds.median(system.name, value) for value in (speed, work, lambda rate: rate.redis)]
    span = f"{min(rates):,.0f}–{max(rates):,.0f}"
    return [
        system.name,
        system.setting,
        f"{middle[0]:,.0f}",
        span,
        f"{middle[1]:,.0f}",
        f"{middle[2]:,.0f}",
        system.delivery,
    ]


def _bar(system: System, rounds: Rounds[Rate]) -> Bar:
    rates = [rate.per_second for rate in rounds.of(system.name)]
    ours = system.name.startswith(("celeriac", "transport"))
    return Bar(system.name, rounds.median(system.name, speed), min(rates), max(rates), ours)
