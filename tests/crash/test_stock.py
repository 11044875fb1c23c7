"""While its slots are busy with quick jobs a worker stocks the next ones; they are leased to it, and it keeps none."""

from __future__ import annotations

import pytest

from tests.article.running import eventually
from tests.crash.harness import System

pytestmark = pytest.mark.slow

QUICK = 300
SLOW = ["slow0", "slow1"]


def burst(system: System, seconds: float) -> list[str]:
    """Submit many quick jobs, two that take long, and many quick ones; return the keys of these last."""
    before, after = ([f"{when}{i}" for i in range(QUICK)] for when in ("before", "after"))
    items = [*([key, 0.0] for key in before), *([key, seconds] for key in SLOW), *([key, 0.0] for key in after)]
    answers = system.celery.tasks["tests.crash.app.note"].submit_many(items)
    assert all(isinstance(answer, str) for answer in answers)
    for key in SLOW:
        system.started(key)
    return after


def test_the_stock_behind_long_jobs_goes_back_in_time_for_another_worker(system: System) -> None:
    system.worker("threads", 2)
    after = burst(system, 3.0)
    eventually(lambda: system.redis.zcard(f"{system.space.keys}inflight") == 2, "only the long jobs in flight")
    system.worker("threads", 2)
    system.finished(after)
    assert not set(SLOW) & set(system.ledger.counts("end"))
    system.finished(SLOW)
    system.settled()
    assert set(system.ledger.counts("start").values()) == {1}


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_killed_with_a_full_stock_costs_a_run_of_what_it_was_at(system: System, pool: str) -> None:
    victim = system.worker(pool, 2)
    after = burst(system, 60.0)
    victim.kill()
    leased = system.redis.zcard(f"{system.space.keys}inflight")
    assert leased > 2
    begun = set(system.ledger.counts("start")) & set(after)
    rescuer = system.worker("threads", 4)
    system.finished(set(after) - begun)
    for key in SLOW:
        system.started(key, times=2)
    assert {key: n for key, n in system.ledger.counts("start").items() if n > 1} == dict.fromkeys(SLOW, 2)
    rescuer.kill()
