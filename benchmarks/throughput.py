"""Everybody: ours, the boilerplate, tuned Celery, eight Python systems, and two beyond Python."""

from __future__ import annotations

from benchmarks import rates, worker
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome
from benchmarks.systems import beyond, celery, ours, peers

PYTHON = (
    peers.HUEY,
    peers.DRAMATIQ,
    peers.TASKIQ,
    peers.SAQ,
    peers.ARQ,
    peers.STREAQ,
    peers.RQ_SIMPLE,
    peers.RQ_FORK,
)


def run(plan: Plan) -> Outcome:
    """All of them in every round."""
    stock = (celery.BOILERPLATE, *worker.STOCK)
    systems = [*worker.OURS, *stock, *PYTHON, beyond.BULLMQ, beyond.SIDEKIQ]
    outcome, rounds = rates.run("throughput", "Throughput of tiny jobs", systems, plan)
    outcome.ratios += worker.goals(rounds, [peer.name for peer in PYTHON])
    outcome.ratios += rounds.ratio(ours.THREADS.name, [beyond.BULLMQ.name], rates.speed, goal=1.0)
    return outcome
