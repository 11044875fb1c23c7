"""A job outlives the process that runs it: it is there again, counted, and never in two places."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.article.running import eventually
from tests.crash.harness import LEASE, System

pytestmark = pytest.mark.slow


def test_a_killed_pool_child_loses_no_job_and_costs_its_own_alone_a_second_run(system: System) -> None:
    system.worker("prefork", 2)
    gate = system.gate()
    held = system.submit("hold", "held", str(gate))
    results = system.submit_many(f"job{i}" for i in range(40))
    system.started("held")
    eventually(lambda: len(system.ledger.counts("end")) >= 6, "six jobs done")
    killed = time.monotonic()
    os.kill(system.ledger.pid("held"), signal.SIGKILL)
    system.started("held", times=2)
    print(f"again after {system.ledger.when('start', 'held') - killed:.2f} s")
    gate.touch()
    system.finished([*results, "held"])
    assert held.get(timeout=20) == "held"
    assert system.ledger.counts("start") == {**dict.fromkeys(results, 1), "held": 2}
    system.settled()
    assert "worker lost" in system.record(held.id)["attempts"]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_killed_worker_s_jobs_run_again_within_a_lease_and_two_seconds(system: System, pool: str) -> None:
    first = system.worker(pool, 4)
    gate = system.gate()
    held = {f"held{i}": system.submit("hold", f"held{i}", str(gate)) for i in range(4)}
    results = system.submit_many(f"job{i}" for i in range(36))
    for key in held:
        system.started(key)
    second = system.worker(pool, 4)
    system.finished(results)
    killed = time.monotonic()
    first.kill()
    for key in held:
        system.started(key, times=2)
    waited = max(system.ledger.when("start", key) for key in held) - killed
    print(f"again after {waited:.2f} s with a lease of {LEASE} s")
    gate.touch()
    system.finished(held)
    assert all(result.get(timeout=20) == key for key, result in held.items())
    assert system.ledger.counts("start") == {**dict.fromkeys(results, 1), **dict.fromkeys(held, 2)}
    system.settled()
    assert second.alive


def test_a_pool_child_killed_while_redis_is_away_costs_its_job_a_second_run(system: System) -> None:
    worker = system.worker("prefork", 2)
    gate = system.gate()
    held = system.submit("hold", "held", str(gate))
    system.started("held")
    os.kill(worker.pid, signal.SIGSTOP)  # it is to see both at once
    os.kill(system.ledger.pid("held"), signal.SIGKILL)
    system.valkey.kill()
    os.kill(worker.pid, signal.SIGCONT)
    worker.says("Connection to broker lost")
    system.valkey.start()
    system.started("held", times=2)
    gate.touch()
    assert held.get(timeout=20) == "held"
    system.settled()
    assert system.record(held.id)["losses"] == "1"
