"""Lost children, lost workers, frozen workers, limits: what happened is in the record, and nothing runs for nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from billiard.exceptions import WorkerLostError
from celery.exceptions import TimeLimitExceeded

from celeriac.job import State
from celeriac.store import dead
from tests.record.conftest import Lanes, Start
from tests.record.desk import Desk, agrees, eventually

pytestmark = pytest.mark.slow

WAIT = 60


def test_a_lost_child_is_a_lost_attempt_and_the_job_runs_again(desk: Desk, prefork: str, tmp_path: Path) -> None:
    job = desk.send("dies", queue=prefork, ledger=str(tmp_path / "ledger"), times=1)
    assert job.get(WAIT) == "ran 2 times"
    found = desk.read(job.id)
    assert (found.state, found.losses, found.attempt) == (State.SUCCEEDED, 1, 2)
    assert [a.outcome for a in found.attempts] == ["worker lost", "succeeded"]
    assert all(a.worker and a.started_at and a.ended_at for a in found.attempts)
    agrees(desk, job.id)


def test_a_job_that_always_kills_its_child_is_buried_and_its_caller_hears(
    desk: Desk, prefork: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    tail = desk.task("errback").s(ledger=str(ledger)).set(queue=prefork)
    job = desk.send("dies", queue=prefork, ledger=str(ledger), options={"link_error": tail})
    with pytest.raises(WorkerLostError, match="dead letters"):
        job.get(WAIT)
    found = desk.read(job.id)

    assert (found.state, found.reason, found.losses) == (State.LOST, "worker lost", 2)
    assert [a.outcome for a in found.attempts] == ["worker lost", "worker lost"]
    letter = dead.find(desk.client, desk.space, job.id)
    assert letter is not None
    assert letter.reason == "worker lost"
    agrees(desk, job.id)
    eventually(lambda: f"heard of {job.id}" in ledger.read_text(), "its errback")
    assert ledger.read_text().count("ran") == 2


def test_a_frozen_worker_that_wakes_late_is_refused(broker_url: str, start_worker: Start, tmp_path: Path) -> None:
    """Row 5: one result; the late one is refused and counted; the late attempt's followers do not run."""
    desk, ledger = Desk(broker_url), tmp_path / "ledger"
    frozen = start_worker(broker_url, "threads", "celery")
    chain = desk.task("deaf").s(3.0, ledger=str(ledger)) | desk.task("talk").si()
    last = chain.apply_async()
    first = last.parent
    desk.reaches(first.id, "running")
    os.kill(frozen.process.pid, signal.SIGSTOP)
    try:
        start_worker(broker_url, "threads", "celery")
        last.get(WAIT)
    finally:
        os.kill(frozen.process.pid, signal.SIGCONT)
    eventually(lambda: desk.counter("late_results") == 1, "the late result is refused")
    found = desk.read(first.id)
    assert (found.state, found.losses) == (State.SUCCEEDED, 1)
    assert [a.outcome for a in found.attempts] == ["worker lost", "succeeded"]
    assert ledger.read_text() == "began\nbegan\nended\nended\n"
    after = desk.read(last.id)
    assert (after.state, after.attempt, len(desk.lines(last.id))) == (State.SUCCEEDED, 1, len(desk.lines(last.id)))
    agrees(desk, first.id)
    assert desk.send("add", x=1, y=1).get(WAIT) == 2
    assert desk.read(last.id) == after


def test_a_job_that_acknowledged_early_is_lost_with_its_worker_and_never_runs_twice(
    broker_url: str, start_worker: Start, tmp_path: Path
) -> None:
    desk, ledger = Desk(broker_url), tmp_path / "ledger"
    worker = start_worker(broker_url, "threads", "celery")
    job = desk.send("early", seconds=50, ledger=str(ledger))
    desk.reaches(job.id, "running")
    eventually(ledger.exists, "it began: its start is written before")
    worker.process.kill()
    start_worker(broker_url, "threads", "celery")
    found = desk.reaches(job.id)
    assert (found.state, found.reason) == (State.LOST, "worker lost")
    assert ledger.read_text() == "began\n"
    with pytest.raises(WorkerLostError):
        job.get(WAIT)
    agrees(desk, job.id)


def test_over_its_soft_limit_a_job_may_clean_up(desk: Desk, lanes: Lanes) -> None:
    for pool in ("prefork", "threads"):
        job = desk.send("over_soft_limit", queue=lanes(pool))
        assert job.get(WAIT) == "cleaned up", pool


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_over_its_hard_limit_a_job_has_failed_once_and_its_errback_is_called_once(
    desk: Desk, lanes: Lanes, pool: str, tmp_path: Path
) -> None:
    queue, ledger = lanes(pool), tmp_path / "ledger"
    tail = desk.task("errback").s(ledger=str(ledger)).set(queue=queue)
    seconds = desk.counter("second_ends")
    job = desk.send("over_hard_limit", queue=queue, options={"link_error": tail})
    with pytest.raises(TimeLimitExceeded):
        job.get(WAIT)
    found = desk.read(job.id)
    assert (found.state, found.losses) == (State.FAILED, 0)
    assert found.error is not None
    assert found.error["type"] == "TimeLimitExceeded"
    agrees(desk, job.id)
    eventually(ledger.exists, "its errback")
    assert desk.send("add", queue=queue, x=1, y=1).get(WAIT) == 2
    assert ledger.read_text() == f"heard of {job.id}\n"
    assert desk.counter("second_ends") == seconds


def test_children_that_are_replaced_after_a_few_jobs_lose_none(broker_url: str, start_worker: Start) -> None:
    desk = Desk(broker_url)
    start_worker(broker_url, "prefork", "celery", "--max-tasks-per-child", "3")
    jobs = [desk.send("pid") for _ in range(20)]
    assert len({job.get(WAIT) for job in jobs}) > 4
    found = [desk.read(job.id) for job in jobs]
    assert {(r.state, r.attempt, r.losses) for r in found} == {(State.SUCCEEDED, 1, 0)}


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_worker_that_is_stopped_writes_what_was_finished(
    broker_url: str, start_worker: Start, tmp_path: Path, pool: str
) -> None:
    """No job runs twice after a graceful stop, in the middle of many."""
    desk, ledger = Desk(broker_url), tmp_path / "ledger"
    worker = start_worker(broker_url, pool, "celery")
    jobs = [desk.send("add", x=i, y=i, ledger=str(ledger)) for i in range(300)]
    eventually(lambda: ledger.exists() and len(ledger.read_text()) > 20 * 4, "a few jobs have run")
    worker.stop()
    assert worker.process.returncode == 0
    assert desk.in_flight() == []
    ran = ledger.read_text().count("ran")
    done = [job for job in jobs if desk.state(job.id) is State.SUCCEEDED]
    assert len(done) == ran
    start_worker(broker_url, "threads", "celery")
    for i, job in enumerate(jobs):
        assert job.get(WAIT) == 2 * i
    assert ledger.read_text().count("ran") == len(jobs)


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_stop_whose_grace_is_over_gives_the_job_back_before_it_exits(
    broker_url: str, start_worker: Start, tmp_path: Path, pool: str
) -> None:
    desk, ledger = Desk(broker_url), tmp_path / "ledger"
    worker = start_worker(broker_url, pool, "celery", env={"CELERIAC_GRACE": "0.5"})
    job = desk.send("deaf", seconds=2.0 if pool == "solo" else 30, ledger=str(ledger))
    desk.reaches(job.id, "running")
    worker.stop()
    found = desk.read(job.id)
    assert (found.state, found.reason, found.losses) == (State.QUEUED, "worker stopped", 0)
    assert [a.outcome for a in found.attempts] == ["worker stopped"]
    assert desk.meta(job.id) == {}
    assert desk.client.llen("celery") == 1
