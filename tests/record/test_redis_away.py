"""While Redis is away a job goes on as if nothing were: what it says and how it ends is written when Redis is back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.job import State
from celeriac.stack.valkey import Valkey
from tests.record.conftest import Start
from tests.record.desk import Desk, agrees, eventually

pytestmark = pytest.mark.slow
WAIT = 60


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey").start()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_job_that_prints_while_redis_hangs_is_neither_slowed_nor_broken(
    own_valkey: Valkey, start_worker: Start, tmp_path: Path, pool: str
) -> None:
    desk, ledger = Desk(own_valkey.url), tmp_path / "ledger"
    start_worker(own_valkey.url, pool, "celery", env={"CELERIAC_LEASE": "20"})
    job = desk.send("timed_steps", count=40, seconds=0.05, ledger=str(ledger))
    desk.reaches(job.id, "running")
    os.kill(own_valkey.pid, signal.SIGSTOP)
    try:
        eventually(lambda: ledger.exists() and "ended" in ledger.read_text(), "the job's end, as it says itself")
    finally:
        os.kill(own_valkey.pid, signal.SIGCONT)
    slowest = float(ledger.read_text().split()[-1])
    assert slowest < 1.0, f"a step of 50 ms took {slowest} s"
    assert job.get(WAIT) == "done"
    found = desk.read(job.id)
    assert (found.state, found.attempt, found.losses) == (State.SUCCEEDED, 1, 0)
    agrees(desk, job.id)
    lines = [line.text for line in desk.lines(job.id)]
    assert lines == sorted(lines, key=lambda text: int(text.split()[1]))
    assert set(lines) == {f"step {i}" for i in range(40)}
    eventually(lambda: not desk.in_flight(), "its lease is over")
    assert desk.send("add", x=1, y=2).get(WAIT) == 3
