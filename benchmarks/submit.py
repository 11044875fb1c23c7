"""CPU of one submit from code, and of the same by each system's own call for many jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import throughput
from benchmarks.measure import Plan, Rounds, interleave
from benchmarks.outcome import Bar, Outcome
from benchmarks.systems import beyond, celery, ours
from benchmarks.systems.base import System

METHOD = (
    "CPU of the submitting process for each call (user and system, its client library included), one call "
    "after the other, no worker running; and for each job by the system's own bulk call, where it has one."
)


@dataclass(frozen=True)
class Cost:
    """µs per call: CPU and wall of single calls, CPU of bulk ones (None without such a call)."""

    cpu: float
    wall: float
    bulk: float | None


def run(plan: Plan) -> Outcome:
    """All systems, each on a fresh server."""
    systems = [ours.THREADS, celery.BOILERPLATE, celery.STOCK_PREFORK, *throughput.PYTHON, beyond.BULLMQ]
    systems = [system for system in [*systems, beyond.SIDEKIQ] if system.name != "rq"]
    calls = 500 if plan.quick else 3000
    rounds = interleave(systems, plan.rounds, lambda system: take(system, calls))
    columns = ["system", "CPU µs/call", "wall µs/call", "CPU µs/job in bulk"]
    outcome = Outcome("submit", "Submit", METHOD, columns, unit="CPU µs/call", notes=rounds.notes)
    for name in sorted(rounds.names(), key=lambda name: rounds.median(name, _cpu)):
        outcome.rows.append(_row(name, rounds))
        values = [cost.cpu for cost in rounds.of(name)]
        mine = name == ours.THREADS.name
        outcome.bars.append(Bar(_label(name), rounds.median(name, _cpu), min(values), max(values), mine))
    outcome.ratios = _ratios(rounds)
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    return outcome


def take(system: System, calls: int) -> tuple[Cost, Any]:
    """Single calls, then bulk ones."""
    with system.idle() as running:
        driver = running.driver
        driver.ask("submit", n=50)
        one = driver.ask("submit", n=calls)
        driver.ask("submit", n=50, bulk=True)
        many = driver.ask("submit", n=calls, bulk=True)
        bulk = None if many.get("unsupported") else many["cpu"] / calls * 1e6
        return Cost(one["cpu"] / calls * 1e6, one["wall"] / calls * 1e6, bulk), driver.ask("versions")


def _ratios(rounds: Rounds[Cost]) -> list[Any]:
    mine = ours.THREADS.name
    single = rounds.ratio(mine, ["dramatiq"], _cpu, goal=-1.2, label="CPU, celeriac / dramatiq")
    plain = rounds.ratio(mine, [celery.BOILERPLATE.name], _cpu, label="CPU, celeriac / boilerplate")
    return [*single, *plain, *_bulk_gain(rounds, mine)]


def _bulk_gain(rounds: Rounds[Cost], name: str) -> Sequence[Any]:
    def gain(cost: Cost) -> float:
        return cost.cpu / cost.bulk if cost.bulk else 0.0

    one = Rounds(samples={name: list(rounds.samples.get(name, [])), "1": [Cost(1, 1, 1)] * 99})
    return one.ratio(name, ["1"], gain, goal=5.0, label="CPU, celeriac one by one / in bulk")


def _cpu(cost: Cost) -> float:
    return cost.cpu


def _label(name: str) -> str:
    return name.split(maxsplit=1)[0]


def _row(name: str, rounds: Rounds[Cost]) -> list[str]:
    bulk = [cost.bulk for cost in rounds.of(name) if cost.bulk is not None]
    wall = rounds.median(name, lambda cost: cost.wall)
    many = f"{sorted(bulk)[len(bulk) // 2]:,.0f}" if bulk else "–"
    return [_label(name), f"{rounds.median(name, _cpu):,.0f}", f"{wall:,.0f}", many]
