"""A file of the history that is no database any more is told as what it is; jobs run, and a new one is made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.article.running import Program, eventually
from tests.cli.conftest import runner
from tests.history.asked import Asked, asked_app
from tests.record.desk import Desk

NO_DATABASE = b"This is no database. " * 4000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def asked(broker_url: str, path: Path) -> Iterator[Asked]:
    with asked_app(broker_url, f"sqlite:///{path}") as made:
        yield made


def parts(path: Path) -> list[Path]:
    """Return the files of the database that are there."""
    return [part for end in ("", "-wal", "-shm") if (part := path.with_name(path.name + end)).exists()]


def test_it_is_told_with_its_remedy_and_a_new_one_is_made_of_what_redis_has(
    asked: Asked, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = asked.ann.submit("echo", text="hello")
    asked.copied()
    asked.close()
    path.write_bytes(NO_DATABASE)
    with caplog.at_level(logging.WARNING):
        during = asked.ann.submit("echo", text="hello")
        eventually(lambda: "is damaged" in caplog.text, "a word in the log")
        told = asked.olga("GET", "/api/jobs")
        answer = asked.ann("GET", "/api/jobs")
        shown = runner(asked.app)("db", "status")

    assert (told.status_code, told.json["type"]) == (503, "urn:celeriac:problem:history-damaged")
    assert str(path) in told.json["detail"]
    assert f"{path}-wal" in told.json["hint"]
    assert (answer.status_code, answer.json["type"]) == (503, "urn:celeriac:problem:history-damaged")
    assert str(path) not in answer.text
    assert (shown.code, f"{path}-wal" in shown.err) == (69, True)

    for part in parts(path):
        part.rename(part.with_name(part.name + ".damaged"))
    eventually(lambda: asked.ann("GET", "/api/jobs").status_code == 200, "a new history")
    eventually(lambda: set(asked.ids(asked.ann)) == {before, during}, "all jobs that Redis has")


@pytest.mark.slow
def test_a_worker_says_so_once_and_runs_jobs(broker_url: str, path: Path, tmp_path: Path) -> None:
    path.write_bytes(NO_DATABASE)
    desk = Desk(broker_url)
    env = {"BROKER_URL": broker_url, "CELERIAC_HISTORY": "true", "DATABASE_URL": f"sqlite:///{path}"}
    command = ("celery", "-A", "tests.record.jobs_app", "worker", "-P", "threads", "-c", "2", "-n", "w@test")
    worker = Program(command, tmp_path / "worker.log", env)
    try:
        failed: set[bytes | None] = {None}

        def fails_again() -> bool:
            failed.add(desk.client.hget(f"{desk.space.keys}history", "failed_at"))
            return len(failed) > 3

        eventually(fails_again, "three tries")
        assert desk.send("add", x=1, y=2).get(60) == 3
        assert worker.output.count("is damaged") == 1
    finally:
        worker.stop()
