"""SIGTERM: the worker ends within its grace, what ran is finished or queued again before it is gone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.article.running import eventually
from tests.crash.harness import System, Worker

pytestmark = pytest.mark.slow

GRACE = 1.0


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_stop_in_the_middle_of_short_jobs_finishes_what_runs_and_leaves_the_rest_queued(
    system: System, pool: str
) -> None:
    worker = system.worker(pool, 2, grace=30)
    results = system.submit_many((f"job{i}" for i in range(120)), 0.05)
    eventually(lambda: len(system.ledger.counts("end")) >= 6, "six jobs done")
    worker.terminate()
    assert worker.ended() == 0
    done = system.ledger.counts("end")
    assert 6 <= len(done) < 120
    assert system.ledger.counts("start") == done
    assert int(system.redis.llen("celery")) == 120 - len(done)
    assert system.redis.zcard(f"{system.space.keys}inflight") == 0
    system.worker(pool, 2)
    system.finished(results)
    assert system.ledger.counts("start") == dict.fromkeys(results, 1)
    assert all(result.get(timeout=20) == key for key, result in results.items())
    system.settled()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_jobs_longer_than_the_grace_are_back_in_the_queue_before_the_worker_is_gone(system: System, pool: str) -> None:
    worker = system.worker(pool, 2, grace=GRACE)
    gate = system.gate()
    held = {f"held{i}": system.submit("hold", f"held{i}", str(gate)) for i in range(4)}
    eventually(lambda: len(system.ledger.counts("start")) >= 2, "two jobs running")
    began = time.monotonic()
    worker.terminate()
    worker.ended()
    print(f"gone after {time.monotonic() - began:.2f} s with a grace of {GRACE} s")
    assert system.redis.llen("celery") == 4
    assert system.redis.zcard(f"{system.space.keys}inflight") == 0
    assert {system.record(result.id)["state"] for result in held.values()} == {"queued"}
    assert not any("losses" in system.record(result.id) for result in held.values())
    gate.touch()
    system.worker(pool, 4)
    system.finished(held)
    assert all(result.get(timeout=20) == key for key, result in held.items())
    assert sorted(system.ledger.counts("start").values()) == [1, 1, 2, 2]
    system.settled()


@pytest.mark.parametrize(
    ("pool", "told"),
    [*((pool, ["QUIT"]) for pool in ("prefork", "threads", "solo", "gevent")), ("prefork", ["INT", "INT"]),
     ("threads", ["TERM", "QUIT"])],
)  # fmt: skip
def test_a_cold_stop_gives_back_at_once_what_runs_without_a_word_of_alarm(
    system: System, pool: str, told: list[str]
) -> None:
    worker = system.worker(pool, 2, grace=600)
    gate = system.gate()
    held = {f"held{i}": system.submit("hold", f"held{i}", str(gate)) for i in range(4)}
    running = 1 if pool == "solo" else 2
    eventually(lambda: len(system.ledger.counts("start")) == running, "jobs running")
    for turn, name in enumerate(told):
        os.kill(worker.pid, signal.Signals[f"SIG{name}"])
        worker.says("Cold shutdown" if turn or name == "QUIT" else "Warm shutdown")
    assert worker.ended() == 1
    assert system.redis.llen("celery") == 4
    assert system.redis.zcard(f"{system.space.keys}inflight") == 0
    assert {system.record(result.id)["state"] for result in held.values()} == {"queued"}
    assert not any("losses" in system.record(result.id) for result in held.values())
    assert "Traceback" not in worker.output
    gate.touch()
    system.worker("threads", 4)
    system.finished(held)
    assert all(result.get(timeout=20) == key for key, result in held.items())
    assert sorted(system.ledger.counts("start").values()) == [1] * (4 - running) + [2] * running
    system.settled()


def test_a_cold_stop_waits_as_long_as_celerys_soft_stop_says(system: System) -> None:
    worker = system.worker("threads", 2, grace=600, soft=600)
    gate = system.gate()
    result = system.submit("hold", "held", str(gate))
    eventually(lambda: system.ledger.starts("held"), "the job running")
    os.kill(worker.pid, signal.SIGQUIT)
    worker.says("Cold shutdown")
    gate.touch()
    assert worker.ended() == 1
    assert result.get(timeout=20) == "held"
    assert system.ledger.starts("held") == 1
    system.settled()


def children(worker: Worker) -> list[int]:
    """Return the processes of the worker's pool."""
    path = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


@pytest.mark.parametrize("what", ["a stop", "a reconnect"])
def test_a_job_that_a_child_was_given_a_moment_ago_runs_once_and_its_end_counts(system: System, what: str) -> None:
    """The child has not even said yet that it took the job."""
    worker = system.worker("prefork", 3, grace=60)
    for pid in children(worker):
        os.kill(pid, signal.SIGSTOP)
    results = system.submit_many(["one", "two"])
    eventually(lambda: worker.output.count("received") == 2, "two jobs in the pool")
    if what == "a stop":
        worker.terminate()
        worker.says("Warm shutdown")
    else:
        system.worker("threads", 2)
        system.redis.client_kill_filter(_type="normal", skipme=True)
        worker.says("Connection to broker lost")
        eventually(lambda: worker.output.count("Connected to") == 2, "another connection")
    for pid in children(worker):
        os.kill(pid, signal.SIGCONT)
    system.finished(results)
    assert all(result.get(timeout=20) == key for key, result in results.items())
    worker.terminate()
    assert worker.ended(30) == 0
    system.settled()
    assert system.ledger.counts("start") == dict.fromkeys(results, 1)


def test_jobs_whose_children_die_before_they_took_them_after_a_reconnect_run_in_others(system: System) -> None:
    worker = system.worker("prefork", 3)
    given = children(worker)
    for pid in given:
        os.kill(pid, signal.SIGSTOP)
    results = system.submit_many(["one", "two"])
    eventually(lambda: worker.output.count("received") == 2, "two jobs in the pool")
    system.redis.client_kill_filter(_type="normal", skipme=True)
    eventually(lambda: worker.output.count("Connected to") == 2, "another connection")
    for pid in given:
        os.kill(pid, signal.SIGKILL)
    system.finished(results, 40)
    system.settled()
    assert all(result.get(timeout=20) == key for key, result in results.items())
    assert system.ledger.counts("start") == dict.fromkeys(results, 1)
