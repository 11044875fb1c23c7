"""Ours as installed beside the boilerplate, tuned stock Celery and the three fastest Python peers."""

from __future__ import annotations

from benchmarks import rates
from benchmarks.measure import Plan, Rounds
from benchmarks.outcome import Outcome, Ratio
from benchmarks.systems import celery, ours, peers

PEERS = (peers.HUEY, peers.DRAMATIQ, peers.TASKIQ)
OURS = (ours.PREFORK, ours.PREFORK_BARE, ours.THREADS, ours.THREADS_BARE, ours.SOLO)
STOCK = (celery.STOCK_PREFORK, celery.STOCK_THREADS, celery.STOCK_SOLO)


def run(plan: Plan) -> Outcome:
    """Record, events and leases on."""
    systems = [*OURS, celery.BOILERPLATE, *STOCK, *PEERS]
    outcome, rounds = rates.run("worker", "Workers", systems, plan)
    for mine, stock in zip((ours.PREFORK, ours.THREADS, ours.SOLO), STOCK, strict=True):
        outcome.ratios += rounds.ratio(mine.name, [stock.name], rates.speed)
        outcome.ratios += rounds.ratio(mine.name, [celery.BOILERPLATE.name], rates.speed)
    outcome.ratios += goals(rounds, [peer.name for peer in PEERS])
    return outcome


def goals(rounds: Rounds[rates.Rate], fastest: list[str]) -> list[Ratio]:
    """The goals for tiny jobs: rates, and worker CPU relative to huey's in the same run."""
    threads, prefork, plain = ours.THREADS.name, ours.PREFORK.name, celery.BOILERPLATE.name
    speed, work = rates.speed, rates.work
    lines = [
        rounds.ratio(threads, fastest, speed, goal=2.0, label=f"{threads} / the fastest Python peer"),
        rounds.ratio(threads, [plain], speed, goal=12.0),
        rounds.ratio(prefork, ["dramatiq"], speed, goal=1.0),
        rounds.ratio(prefork, ["taskiq"], speed, goal=1.0),
        rounds.ratio(prefork, [plain], speed, goal=4.5),
        rounds.ratio(threads, ["huey"], work, goal=-0.65, label=f"worker CPU, {threads} / huey"),
        rounds.ratio(threads, [ours.THREADS_BARE.name], speed, goal=0.85),
        rounds.ratio(prefork, [ours.PREFORK_BARE.name], speed, goal=0.85),
        rounds.ratio(prefork, ["huey"], work, goal=-1.7, label=f"worker CPU, {prefork} / huey"),
    ]
    return [ratio for line in lines for ratio in line]
