"""Redis goes away and comes back: nothing is lost, nothing stuck, and nothing runs twice because of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from celeriac.stack.valkey import Valkey
from tests.article.running import eventually
from tests.crash.conftest import NewSystem
from tests.crash.harness import System

pytestmark = pytest.mark.slow

DOWN = 0.5  # s


def gracefully(valkey: Valkey) -> None:
    valkey.stop()


def by_force(valkey: Valkey) -> None:
    valkey.kill()


def outage(system: System, end: Callable[[Valkey], None], seconds: float) -> None:
    """Take Redis away for some seconds while jobs run, wait and are done; check all of them."""
    gate = system.gate()
    done = system.submit_many(f"done{i}" for i in range(8))
    system.finished(done)
    held = {f"held{i}": system.submit("hold", f"held{i}", str(gate)) for i in range(4)}
    for key in held:
        system.started(key)
    waiting = system.submit_many(f"waiting{i}" for i in range(8))
    finals = {key: system.record(result.id) for key, result in done.items()}
    end(system.valkey)
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > until - seconds / 2, "half of the outage")
    gate.touch()  # they end while Redis is away
    eventually(lambda: system.ledger.counts("end").keys() >= held.keys(), "jobs that end meanwhile")
    eventually(lambda: time.monotonic() > until, "the outage")
    system.valkey.start()
    back = time.monotonic()
    system.finished(waiting)
    first = min(system.ledger.when("start", key) for key in waiting)
    print(f"consuming again {first - back:.2f} s after Redis was back")
    everything = done | held | waiting
    assert all(result.get(timeout=30) == key for key, result in everything.items())
    system.settled()
    assert system.ledger.counts("start") == dict.fromkeys(everything, 1)
    for key, result in done.items():
        assert system.record(result.id) == finals[key]
    assert all(worker.alive for worker in system.workers)


@pytest.mark.parametrize("sync", ["always", "everysec"])
@pytest.mark.parametrize("end", [gracefully, by_force])
def test_a_restart_of_redis_costs_nothing(new_system: NewSystem, end: Callable[[Valkey], None], sync: str) -> None:
    system = new_system(config=[f"appendfsync {sync}"])
    system.worker("prefork", 2)
    system.worker("threads", 2)
    outage(system, end, DOWN)


def test_redis_away_for_more_than_twice_the_lease_costs_nothing(system: System) -> None:
    system.worker("prefork", 2)
    system.worker("threads", 2)
    outage(system, by_force, 2.5 * system.space.lease)


def test_redis_that_hangs_for_more_than_twice_the_lease_costs_nothing(system: System) -> None:
    system.worker("prefork", 2)
    system.worker("threads", 2)
    pids: list[int] = []

    def hang(valkey: Valkey) -> None:
        pids.append(valkey.pid)
        os.kill(valkey.pid, signal.SIGSTOP)

    start = system.valkey.start
    system.valkey.start = lambda: os.kill(pids[0], signal.SIGCONT)  # type: ignore[assignment, method-assign]
    try:
        outage(system, hang, 2.5 * system.space.lease)
    finally:
        system.valkey.start = start  # type: ignore[method-assign]
        os.kill(pids[0], signal.SIGCONT)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_redis_that_refuses_to_write_for_a_while_ends_no_worker(system: System, pool: str) -> None:
    """A full disk, a full memory, a lost replica: all of them answer writes with an error."""
    worker = system.worker(pool, 2)
    gate = system.gate()
    held = system.submit("hold", "held", str(gate))
    system.started("held")
    system.redis.config_set("min-replicas-to-write", 1)
    gate.touch()
    system.finished(["held"])
    until = time.monotonic() + 2 * system.space.lease
    eventually(lambda: time.monotonic() > until or not worker.alive, "twice the lease")
    assert worker.alive, worker.output
    system.redis.config_set("min-replicas-to-write", 0)
    after = system.submit("note", "after")
    assert after.get(timeout=30) == "after"
    assert held.get(timeout=30) == "held"
    system.settled()
    assert system.ledger.counts("start") == {"held": 1, "after": 1}
