"""What is asked of jobs and queues, seen from a real worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.store import record, workers
from celeriac.store.record import Record
from tests.article.running import Program, eventually
from tests.steering.steered import make_app

WITHIN = 60.0


@pytest.fixture(scope="module")
def module_app(valkey: object, _numbers: Iterator[int]) -> Flask:
    """An app over a database for this file."""
    url: str = valkey.url  # type: ignore[attr-defined]
    return make_app(url.removesuffix("/0") + f"/{next(_numbers)}")


@pytest.fixture(scope="module")
def worker(module_app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A worker of its own process, with threads."""
    program = Program(
        ["celery", "-A", "tests.steering.worker_app", "worker", "-P", "threads", "-c", "4", "-n", "steered@test"],
        tmp_path_factory.mktemp("log") / "worker.log",
        {"BROKER_URL": module_app.config["BROKER_URL"]},
    )
    context = module_app.extensions["celeriac"].context
    eventually(lambda: workers.list_workers(context.client, context.space), "a heartbeat")
    yield program
    program.stop()


@pytest.fixture
def context(module_app: Flask, worker: Program) -> Context:
    found: Context = module_app.extensions["celeriac"].context
    return found


def ended(context: Context, id: str) -> Record:
    job = actions.wait(context, id, WITHIN)
    assert job.done, job
    return job


def test_a_failed_job_is_retried_and_its_attempts_are_told(context: Context) -> None:
    id = actions.submit(context, "steered_fail", {"why": "first"})
    assert ended(context, id).error["message"] == "first"  # type: ignore[index]

    actions.retry(context, id, {"why": "second"})

    job = ended(context, id)
    assert (job.state, job.attempt) == ("failed", 2)
    assert job.error is not None
    assert job.error["message"] == "second"
    assert [attempt.outcome for attempt in job.attempts] == ["failed", "failed"]


def test_a_running_job_that_is_cancelled_stops(context: Context) -> None:
    id = actions.submit(context, "steered_stay", {})
    eventually(lambda: record.read(context.client, context.space, id).state == "running", "its start")

    assert actions.cancel(context, id) == "cancelling"

    assert ended(context, id).state == "cancelled"


def test_a_job_waits_while_its_queue_is_paused(context: Context) -> None:
    actions.pause(context, "celery")
    id = actions.submit(context, "steered_double", {"n": 21})
    waiting = actions.waiting(context, record.read(context.client, context.space, id))
    assert waiting is not None
    assert waiting.reason == "paused"

    actions.resume(context, "celery")

    assert ended(context, id).result == 42


def test_a_succeeded_job_runs_again(context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    assert ended(context, id).result == 2

    actions.retry(context, id)

    assert ended(context, id).attempt == 2


def test_a_wait_ends_when_its_time_is_over_and_tells_what_it_saw(context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1}, delay=3600)
    seen: list[str] = []

    job = actions.wait(context, id, 0.2, lambda job: seen.append(job.state))

    assert not job.done
    assert set(seen) == {"scheduled"}


def test_a_worker_is_listed_with_what_it_does_until_it_stops(context: Context, worker: Program) -> None:
    [found] = workers.list_workers(context.client, context.space)

    assert (found.name, found.pool, found.concurrency, found.alive) == ("steered@test", "threads", 4, True)
    assert {"celery", "letters"} <= set(found.queues)
    worker.stop()
    assert workers.list_workers(context.client, context.space) == []
