"""A prefork worker outlives a machine that has no process to give for a while, and works on when it has."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.article.running import Program
from tests.record.conftest import Start
from tests.record.desk import Desk, eventually

pytestmark = pytest.mark.slow


def children(program: Program) -> list[int]:
    pid = program.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@pytest.mark.parametrize("lack", ["processes", "files", "life"])
def test_jobs_wait_for_a_process_that_cannot_be_started(
    own: Desk, start_worker: Start, tmp_path: Path, lack: str
) -> None:
    file, ledger = tmp_path / "starved", tmp_path / "ledger"
    worker = start_worker(own.url, "prefork", "celery", app="starved_app", env={"STARVED": str(file)})
    running = own.send("deaf", seconds=1, ledger=str(ledger))
    eventually(lambda: ledger.exists() and "began" in ledger.read_text(), "its start")
    file.write_text(lack, encoding="ascii")
    first = children(worker)
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: worker.output.count("Next try in") >= 3, "three tries")
    waiting = own.send("add", x=1, y=2)
    assert worker.process.poll() is None
    file.unlink()

    assert waiting.get(60) == 3
    assert running.get(60) == "done"
    assert ledger.read_text().split() == ["began", "began", "ended"]
    eventually(lambda: len(set(children(worker)) - set(first)) == 2, "two processes")


def test_jobs_share_the_threads_that_there_are(own: Desk, start_worker: Start, tmp_path: Path) -> None:
    file, ledger = tmp_path / "starved", tmp_path / "ledger"
    worker = start_worker(own.url, "threads", "celery", app="starved_app", env={"STARVED": str(file)})
    first = own.send("deaf", seconds=1, ledger=str(ledger))
    eventually(lambda: ledger.exists() and "began" in ledger.read_text(), "its start")
    file.write_text("threads", encoding="ascii")
    jobs = [own.send("add", x=i, y=0) for i in range(5)]

    assert [job.get(60) for job in jobs] == list(range(5))
    assert first.get(60) == "done"
    assert "No thread can be started, 1 run all jobs" in worker.output
    file.unlink()
    assert own.send("add", x=1, y=2).get(60) == 3
    worker.stop()
    assert worker.process.returncode == 0
