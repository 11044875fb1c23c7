"""A job that always kills is tried three times, then put aside where it can be seen; its neighbours pay nothing."""

from __future__ import annotations

import pytest
from celery.exceptions import WorkerLostError

from tests.article.running import eventually
from tests.crash.conftest import NewSystem
from tests.crash.harness import System, Worker

pytestmark = pytest.mark.slow


def test_a_job_that_kills_its_child_is_dead_lettered_after_three_losses_and_can_be_requeued(system: System) -> None:
    system.worker("prefork", 2)
    killer = system.submit("poison", "killer")
    results = system.submit_many(f"job{i}" for i in range(10))
    system.finished(results)
    eventually(lambda: system.record(killer.id).get("state") == "lost", "the end of the killer")
    assert system.ledger.starts("killer") == 3
    assert system.ledger.counts("start") == {**dict.fromkeys(results, 1), "killer": 3}
    with pytest.raises(WorkerLostError):
        killer.get(timeout=20)
    assert system.redis.zscore(f"{system.space.keys}dead", killer.id) is not None
    system.settled()
    cli = system.app.test_cli_runner()
    listed = cli.invoke(args=["jobs", "dead", "--json"])
    assert killer.id in listed.output
    assert cli.invoke(args=["jobs", "dead", "requeue", killer.id]).exit_code == 0
    system.started("killer", times=4)


def supervise(system: System, pool: str, id: str) -> Worker:
    """Start the worker again whenever it is dead, until the job is given up; return the last one."""
    for _ in range(6):
        worker = system.worker(pool, 1)
        eventually(lambda w=worker: not w.alive or system.record(id)["state"] == "lost", "the next death")
        if worker.alive:
            return worker
        worker.end()
    raise AssertionError(f"The job killed six workers: {system.record(id)}")


@pytest.mark.parametrize(("pool", "whom"), [("threads", "self"), ("prefork", "worker")])
def test_a_job_that_kills_its_worker_is_dead_lettered_and_what_waited_beside_it_is_not_counted(
    new_system: NewSystem, pool: str, whom: str
) -> None:
    """The very first start is written a moment later: a kill within that moment is not counted."""
    system = new_system(lease=1.0)
    killer = system.submit("poison", "killer", whom)
    waiting = system.submit_many(f"job{i}" for i in range(5))
    last = supervise(system, pool, killer.id)
    system.finished(waiting)
    assert system.ledger.starts("killer") in (3, 4)
    assert system.record(killer.id)["losses"] == "3"
    for result in waiting.values():
        assert result.get(timeout=20)
        assert system.record(result.id).get("losses") is None
    assert last.alive
    system.settled()
