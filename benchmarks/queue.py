"""Our transport beside stock kombu and the article's configuration, in prefork, threads and solo."""

from __future__ import annotations

from benchmarks import rates
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome
from benchmarks.systems import celery, ours

PAIRS = (
    (ours.TRANSPORT_PREFORK, celery.STOCK_PREFORK),
    (ours.TRANSPORT_THREADS, celery.STOCK_THREADS),
    (ours.TRANSPORT_SOLO, celery.STOCK_SOLO),
)


def run(plan: Plan) -> Outcome:
    """The same Celery app, worker command and stock result backend; only the transport differs."""
    systems = [celery.BOILERPLATE, *(system for new, old in PAIRS for system in (new, old))]
    outcome, rounds = rates.run("queue", "The transport alone", systems, plan)
    for new, old in PAIRS:
        outcome.ratios += rounds.ratio(new.name, [old.name], rates.speed)
        outcome.ratios += rounds.ratio(new.name, [old.name], rates.work, label=f"worker CPU, {new.name} / {old.name}")
        outcome.ratios += rounds.ratio(new.name, [celery.BOILERPLATE.name], rates.speed)
    return outcome
