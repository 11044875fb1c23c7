"""Threads that take their next job themselves leave to the event loop what only it can do."""

from __future__ import annotations

import pytest
from celery.exceptions import NotRegistered

from tests.crash.harness import System

pytestmark = pytest.mark.slow


def test_among_a_backlog_of_tiny_jobs_paced_unknown_and_broken_ones_are_told_apart(system: System) -> None:
    gates = [system.submit("hold", f"first{n}", str(system.gate())) for n in range(2)]
    worker = system.worker("threads", 2)
    for n in range(2):
        system.started(f"first{n}")
    jobs, unknown = {}, []
    for n in range(60):
        jobs[f"job{n}"] = system.submit("note", f"job{n}")
        if n % 10 == 0:
            jobs[f"paced{n}"] = system.submit("paced", f"paced{n}")
            unknown.append(system.celery.send_task("nobody.knows"))
            system.redis.lpush("celery", b"{no message at all")
    system.gate().touch()  # from here on two threads take one after the other
    system.finished(jobs)
    for result in unknown:
        with pytest.raises(NotRegistered):
            result.get(timeout=20)
        assert system.record(result.id)["reason"] == "unknown task"
    for result in (*jobs.values(), *gates):
        assert result.get(timeout=20)
    assert system.ledger.counts("start") == {**dict.fromkeys(jobs, 1), "first0": 1, "first1": 1}
    assert worker.alive
    assert "could not be handed over" not in worker.output
    system.settled()
