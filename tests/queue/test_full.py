"""A full server takes no more jobs, and does those that it has."""

from __future__ import annotations

import contextlib

import pytest
import redis

from celeriac.errors import CeleriacError
from celeriac.worker.app import NotSubmitted
from tests.crash.conftest import NewSystem, new_system
from tests.crash.harness import System

__all__ = ["new_system"]
pytestmark = pytest.mark.slow


def fill(system: System) -> None:
    """Leave not a byte to spare."""
    size = 1 << 20
    while size > 16:
        with contextlib.suppress(redis.OutOfMemoryError):
            while True:
                system.redis.rpush("ballast", "x" * size)
        size //= 4


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_jobs_that_wait_are_done_and_no_more_are_accepted(new_system: NewSystem, pool: str) -> None:
    system = new_system(config=["maxmemory 24mb"], lease=20.0)
    worker = system.worker(pool, 2)
    gate = system.gate()
    held = system.submit("hold", "held", str(gate))
    system.started("held")
    cli = system.app.test_cli_runner()
    assert cli.invoke(args=["jobs", "queue", "pause", "celery"]).exit_code == 0
    waiting = system.submit_many(f"job{i}" for i in range(20))
    fill(system)
    with pytest.raises((CeleriacError, NotSubmitted)):
        system.submit("note", "refused")
    gate.touch()
    assert cli.invoke(args=["jobs", "queue", "resume", "celery"]).exit_code == 0
    system.finished([*waiting, "held"])
    system.settled()
    assert system.record(held.id)["state"] == "succeeded"
    assert {system.record(result.id)["state"] for result in waiting.values()} == {"succeeded"}
    assert system.ledger.counts("start") == dict.fromkeys([*waiting, "held"], 1)
    assert worker.alive
