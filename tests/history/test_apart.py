"""A worker with a pool of processes copies in one more, which never outlives it, and whose death stops nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from celeriac import history
from celeriac.errors import HistoryError
from celeriac.history.copier import space_of
from tests.article.running import Program, eventually

pytestmark = pytest.mark.slow


@dataclass
class Station:
    """A worker with two processes, and the app that submits to it."""

    worker: Program
    app: Any

    @property
    def processes(self) -> list[int]:
        """The worker's processes."""
        pid = self.worker.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def copier(self) -> int:
        """The process that copies, 0 for none."""
        celery = self.app.extensions["celery"]
        token: bytes = celery.client.get(f"{space_of(celery.settings).keys}hold:history") or b":0:"
        return int(token.split(b":")[-2])

    def copies(self) -> None:
        """Submit a job, and wait for its end in the history."""
        id = self.app.extensions["celery"].send_task("backend.tasks.add", kwargs={"x": 2, "y": 3}).id

        def done() -> bool:
            try:
                found = history.of(self.app).find(id)
            except HistoryError:
                return False
            return found is not None and found.done

        eventually(done, "the job's end in the history")


@pytest.fixture
def station(broker_url: str, tmp_path: Path) -> Iterator[Station]:
    from backend import create_app

    env = {"BROKER_URL": broker_url, "DATABASE_URL": f"sqlite:///{tmp_path}/kept.db", "CELERIAC_HISTORY": "true"}
    worker = Program(["./celery_worker.sh", "-c", "2", "-n", "apart@test"], tmp_path / "worker.log", env)
    try:
        worker.says("ready")
        app = create_app(**{**env, "CELERIAC_HISTORY": True})
        yield Station(worker, app)
        history.of(app).close()
    finally:
        worker.stop()


def ends(pid: int) -> None:
    """Wait until a process is no more."""

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    eventually(is_gone, f"the end of the process {pid}")


def test_a_process_beside_the_pool_copies_and_ends_with_the_worker(station: Station) -> None:
    station.copies()
    pid = station.copier
    assert pid in station.processes
    station.worker.process.terminate()
    assert station.worker.process.wait(60) == 0

    assert not Path(f"/proc/{pid}").exists()
    assert not station.copier


def test_it_does_not_outlive_a_worker_that_is_killed(station: Station) -> None:
    station.copies()
    processes = station.processes
    assert station.copier in processes
    station.worker.process.kill()
    station.worker.process.wait(60)

    for pid in processes:
        ends(pid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_when_it_dies_or_hangs_a_thread_of_the_worker_copies_on(station: Station, how: signal.Signals) -> None:
    station.copies()
    pid = station.copier
    assert pid in station.processes
    os.kill(pid, how)
    station.copies()

    assert station.copier == station.worker.process.pid
    station.worker.process.terminate()
    assert station.worker.process.wait(60) == 0
    ends(pid)
