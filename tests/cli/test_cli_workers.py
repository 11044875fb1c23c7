"""`flask jobs workers` and `worker …`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.article.running import Program, eventually
from tests.cli.conftest import Run


@pytest.fixture
def worker(broker_url: str, tmp_path: Path) -> Iterator[Program]:
    """A real worker of one process."""
    command = ["celery", "-A", "tests.steering.worker_app", "worker", "-P", "prefork", "-c", "1", "-n", "cli@test"]
    program = Program(command, tmp_path / "worker.log", {"BROKER_URL": broker_url})
    yield program
    program.stop()


@pytest.mark.slow
def test_a_worker_is_given_more_slots_and_ended(run: Run, worker: Program) -> None:
    eventually(lambda: "cli@test" in run("workers").out, "the worker's first word")

    assert run("worker", "resize", "cli@test", "2").out == "Worker cli@test has 2 slots.\n"
    assert run("worker", "list").out.splitlines()[0].split()[0] == "WORKER"
    ended = run("worker", "shutdown", "cli@test", "--json").json
    assert (ended["name"], ended["stopping"]) == ("cli@test", True)
    assert worker.process.wait(60) == 0
    eventually(lambda: "cli@test" not in run("workers").out, "its name gone from the list")


def test_a_worker_that_nobody_knows_is_told_nothing(run: Run) -> None:
    said = run("worker", "shutdown", "nobody@test")

    assert said.code == 2
    assert said.err == "Error: There is no worker named 'nobody@test'.\nNone was heard of lately.\n"
    assert run("worker", "resize", "nobody@test", "0").code == 2
