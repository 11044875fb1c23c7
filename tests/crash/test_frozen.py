"""A worker that hangs longer than its lease is replaced; when it wakes, its late result changes nothing."""

from __future__ import annotations

import pytest

from tests.article.running import eventually
from tests.crash.conftest import NewSystem
from tests.crash.harness import System

pytestmark = pytest.mark.slow


def ends_in_journal(system: System, id: str) -> list[str]:
    """Return the terminal states that the journal has of the job, in order."""
    entries = system.redis.xrange(f"{system.space.keys}journal")
    states = [e[b"e"].decode().split()[0] for _, e in entries if e[b"j"].decode() == id]
    return [s for s in states if s in ("succeeded", "failed", "cancelled", "lost")]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_of_two_workers_that_finish_the_same_job_one_is_refused_and_counted(system: System, pool: str) -> None:
    sleeper = system.worker(pool, 1)
    gate = system.gate()
    result = system.submit("hold", "job", str(gate))
    system.started("job")
    other = system.worker(pool, 1)
    sleeper.freeze()
    system.started("job", times=2)
    gate.touch()
    system.finished(["job"])
    assert result.get(timeout=20) == "job"
    ended = system.record(result.id)
    sleeper.thaw()
    eventually(lambda: system.ledger.counts("end")["job"] == 2, "the late end of the first attempt")
    eventually(lambda: system.number("stats", "late_results") >= 1, "a late result that is counted")
    assert system.record(result.id) == ended
    assert ends_in_journal(system, result.id) == ["succeeded"]
    assert ended["losses"] == "1"
    again = system.submit("note", "again")  # the one that slept is fit for work
    other.kill()
    assert again.get(timeout=30) == "again"
    system.settled()
    assert sleeper.alive


def test_frozen_for_twice_the_lease_with_nobody_to_take_over_it_goes_on_and_nothing_runs_twice(
    system: System,
) -> None:
    worker = system.worker("threads", 2)
    gate = system.gate()
    result = system.submit("hold", "job", str(gate))
    system.started("job")
    worker.freeze()
    deadline = system.redis.zscore(
        f"{system.space.keys}inflight", system.redis.zrange(f"{system.space.keys}inflight", 0, 0)[0]
    )
    assert deadline is not None

    def twice_the_lease_is_over() -> bool:
        seconds, micros = system.redis.time()
        return bool(seconds * 1000 + micros / 1000 > deadline + system.space.lease * 1000)

    eventually(twice_the_lease_is_over, "the end of two leases")
    worker.thaw()
    gate.touch()
    assert result.get(timeout=30) == "job"
    system.settled()
    assert system.ledger.counts("start") == {"job": 1}


def test_under_the_default_lease_a_lost_worker_s_job_is_taken_over_when_the_lease_is_over(
    new_system: NewSystem,
) -> None:
    """Twenty seconds pass by editing the lease's deadline, and the grace that a new server has."""
    system = new_system(lease=20.0)
    victim = system.worker("threads", 1)
    gate = system.gate()
    result = system.submit("hold", "job", str(gate))
    system.started("job")
    system.worker("threads", 1)
    victim.kill()
    inflight = f"{system.space.keys}inflight"
    (token,) = system.redis.zrange(inflight, 0, 0)
    assert system.ledger.starts("job") == 1
    system.redis.hset(f"{system.space.keys}sweep", "grace", 0)
    system.redis.zadd(inflight, {token: 1}, xx=True)
    system.started("job", times=2)
    gate.touch()
    assert result.get(timeout=30) == "job"
    assert system.record(result.id)["losses"] == "1"
    system.settled()
