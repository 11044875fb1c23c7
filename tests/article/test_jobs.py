"""What `@job`, `track`, `progress`, `current_job` and `cached` promise, seen from a real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from flask import Flask

from celeriac import current_job, job, progress, track
from celeriac.errors import CeleriacError, ConfigError
from tests.article.conftest import Start
from tests.article.running import eventually

WAIT = 60
Send = Callable[..., "AsyncResult[Any]"]


@pytest.fixture(scope="module")
def send(start: Start, app: Flask) -> Send:
    """Send a job of jobs_app.py to a worker that was started without `-Q`."""
    worker = start("celery", "-A", "tests.article.jobs_app", "worker", "-c", "2", "-n", "jobs@test", "-l", "info")
    worker.says("jobs@test ready")

    def send(name: str, *, queue: str = "celery", **given: Any) -> AsyncResult[Any]:
        sent: AsyncResult[Any] = app.extensions["celery"].send_task(
            f"tests.article.jobs_app.{name}", kwargs=given, queue=queue
        )
        return sent

    return send


def test_a_job_runs_in_a_fresh_context_of_its_flask_app(send: Send) -> None:
    for _ in range(3):
        assert send("where").get(WAIT) == {"app": "jobs_app", "fresh": True}


def test_arguments_arrive_as_the_types_the_signature_names(send: Send) -> None:
    assert send("typed", day="2026-03-01", times=2).get(WAIT) == ["2026-03-01", "2026-03-01"]


def test_a_worker_checks_the_arguments_again(send: Send) -> None:
    with pytest.raises(Exception, match="do not fit"):
        send("typed", day="yesterday").get(WAIT)


def test_progress_is_sent_at_most_ten_times_a_second_and_always_first_and_last(send: Send) -> None:
    told = send("quick", steps=100_000).get(WAIT)

    assert told["sent"][0] == 0
    assert told["sent"][-1] == 100_000
    assert len(told["sent"]) <= 2 + told["seconds"] * 10


def test_progress_carries_numbers_and_words_and_a_revoked_job_can_be_stopped(send: Send, app: Flask) -> None:
    sent = send("in_words", total=7)
    eventually(lambda: sent.state == "PROGRESS", "PROGRESS")

    assert sent.info == {"current": 1, "total": 7, "status": "Painting the fence"}

    app.extensions["celery"].control.revoke(sent.id, terminate=True)
    with pytest.raises(TaskRevokedError):
        sent.get(WAIT)


def test_retries_are_bounded(send: Send, tmp_path: Path) -> None:
    ledger = tmp_path / "attempts"

    with pytest.raises(ValueError, match="still wrong"):
        send("stubborn", ledger=str(ledger)).get(WAIT)

    assert ledger.read_text().split() == ["1", "2", "3"]


def test_a_job_knows_its_id_its_task_and_its_attempt(send: Send) -> None:
    sent = send("about")

    assert sent.get(WAIT) == {
        "id": sent.id,
        "task": "tests.article.jobs_app.about",
        "attempt": 1,
        "running": True,
    }


def test_a_worker_without_q_listens_to_a_queue_that_only_a_decorator_names(send: Send) -> None:
    assert send("letter", queue="mail").get(WAIT) == "delivered"


def test_plain_shared_tasks_keep_working(send: Send) -> None:
    assert send("plain", x=21).get(WAIT) == 42


def test_the_cache_works_inside_jobs(send: Send) -> None:
    assert send("reckon", x=1).get(WAIT) == send("reckon", x=1).get(WAIT)


def test_outside_a_job_track_is_plain_iteration_and_progress_nothing() -> None:
    assert list(track(range(3))) == [0, 1, 2]
    assert list(track(iter("ab"))) == ["a", "b"]
    progress(1, 2, "unheard")
    current_job.check()
    assert not current_job
    with pytest.raises(CeleriacError, match="no current job"):
        _ = current_job.id


def test_a_job_has_our_defaults_and_celerys_options_pass_through(app: Flask) -> None:
    tasks = app.extensions["celery"].tasks

    add, long_task = tasks["backend.tasks.add"], tasks["backend.tasks.long_task"]

    for task in (add, long_task):
        assert task.acks_late
        assert task.reject_on_worker_lost
        assert task.track_started
        assert task.max_retries == 3
        assert task.serializer == "json"
        assert task.celeriac_job
    assert add.celeriac_function(2, 3) == add(2, 3) == 5
    assert app.extensions["celery"].amqp.router.route({}, long_task.name, task_type=long_task)["queue"].name == "io"
    assert sorted(app.extensions["celery"].jobs) == ["add", "long_task"]


def test_a_job_that_would_not_travel_as_json_is_refused() -> None:
    with pytest.raises(ConfigError, match="JSON alone"):
        job(serializer="pickle")(print)
